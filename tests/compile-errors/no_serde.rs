//! A type of the user's without a serde.

use eddyline::StreamsBuilder;

#[derive(Clone)]
struct Order;

fn main() {
    let builder = StreamsBuilder::new();
    builder.stream::<String, Order>("orders").to("copies");
}
