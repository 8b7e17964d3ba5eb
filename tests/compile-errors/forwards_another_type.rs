//! A processor forwards what it says it does, and nothing else.

use eddyline::StreamsBuilder;
use eddyline::processor::{Processor, ProcessorContext, ProcessorError, Record};

struct Length;

impl Processor<String, String, String, i64> for Length {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, i64>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        context.forward(record)
    }
}

fn main() {
    let builder = StreamsBuilder::new();
    builder.stream::<String, String>("words").process(|| Length, &[]);
}
