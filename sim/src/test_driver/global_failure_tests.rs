//! Processors of global stores that fail.

use eddyline_core::config::StreamsConfig;
use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{KeyValueStore, Stores};
use eddyline_core::topology::TopologyBuilder;

use super::*;

/// Fills the store, but for "x".
struct Fill;

impl Processor<String, String, (), ()> for Fill {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, (), ()>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        if record.value == "x" {
            return Err(ProcessorError::new("x is no text"));
        }
        context.with_store::<KeyValueStore<String, String>, _>("texts", |texts, context| {
            texts.put(&record.key, Some(&record.value), context)
        })??;
        Ok(())
    }
}

/// Whether "x" passes, where the handler lets everything pass and there is a dead letter queue.
fn passes(is_enabled: bool) -> bool {
    let serdes = || (String::default_serde(), String::default_serde());
    let store = Stores::key_value_store_builder(
        Stores::in_memory_key_value_store("texts"),
        String::default_serde(),
        String::default_serde(),
    );
    let mut builder = TopologyBuilder::new();
    builder
        .add_global_store(store, "source", "global", serdes(), "fill", || Fill)
        .add_source("events", "events", serdes());
    let config = StreamsConfig::from_map([
        ("application.id", "app"),
        ("bootstrap.servers", "localhost:9092"),
        (
            "processing.exception.handler",
            "LogAndContinueProcessingExceptionHandler",
        ),
        ("errors.dead.letter.queue.topic.name", "dead"),
        (
            "processing.exception.handler.global.enabled",
            if is_enabled { "true" } else { "false" },
        ),
    ]);
    let topology = builder.build().expect("a topology");
    let driver = TopologyTestDriver::new(topology, config.expect("valid")).expect("a driver");
    let input = driver.create_input_topic::<String, String>("global");
    let pipe = |text: &str| input.pipe_input("k".to_owned(), text.to_owned());
    pipe("a").expect("nothing fails");
    let passed = pipe("x").is_ok();
    if passed {
        pipe("b").expect("it goes on");
    }
    passed
}

#[test]
fn the_processing_handler_decides_about_global_stores_where_it_is_told_to() {
    assert!(!passes(false));
    assert!(passes(true));
}
