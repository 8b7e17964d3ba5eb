//! A name is for the next operator; alone it does nothing.
#![deny(unused_must_use)]

use eddyline::StreamsBuilder;

fn main() {
    let builder = StreamsBuilder::new();
    let words = builder.stream::<String, String>("words");
    words.named("shout");
    words.split();
}
