//! A joiner that takes other types than the streams have.

use std::time::Duration;

use eddyline::StreamsBuilder;
use eddyline::dsl::JoinWindows;

fn main() {
    let builder = StreamsBuilder::new();
    let orders = builder.stream::<String, i64>("orders");
    let payments = builder.stream::<String, i64>("payments");
    let soon = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
    orders.join(&payments, |owed: i64, paid: String| owed, soon).to("open");
}
