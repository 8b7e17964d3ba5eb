//! Streams of different keys cannot be joined.

use std::time::Duration;

use eddyline::StreamsBuilder;
use eddyline::dsl::JoinWindows;

fn main() {
    let builder = StreamsBuilder::new();
    let clicks = builder.stream::<String, i64>("clicks");
    let orders = builder.stream::<i64, String>("orders");
    let windows = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(1));
    clicks.join(&orders, |click, order| format!("{click} {order}"), windows);
}
