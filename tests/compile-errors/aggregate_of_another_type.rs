//! An aggregator that gives another type than the rows have.

use eddyline::StreamsBuilder;
use eddyline::dsl::Materialized;

fn main() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("numbers")
        .group_by_key()
        .aggregate(
            || 0_i64,
            |_, number, sum: i64| (number + sum).to_string(),
            Materialized::as_store("sums"),
        );
}
