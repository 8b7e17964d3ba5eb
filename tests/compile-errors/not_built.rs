//! A builder where its topology belongs.

use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig};

fn main() {
    let builder = StreamsBuilder::new();
    builder.stream::<String, String>("in").to("out");
    let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
    let _ = KafkaStreams::new(builder, config);
}
