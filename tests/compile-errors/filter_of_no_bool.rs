//! A filter that gives a number.

use eddyline::StreamsBuilder;

fn main() {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("numbers")
        .filter(|_, number| *number)
        .to("copies");
}
