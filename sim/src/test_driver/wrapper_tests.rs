//! Code around processors (KIP-1112).

use std::sync::{Arc, Mutex};

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{Materialized, StreamsBuilder};
use eddyline_core::processor::{
    Cancellable, Change, ProcessingContext, Processor, ProcessorContext, ProcessorError,
    ProcessorWrapper, PunctuationType, Record, Wrapped, WrappedProcessor, WrappedRecord,
};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{KeyValueStore, StoreBuilder, Stores};
use eddyline_core::topology::{Topology, TopologyBuilder};

use super::*;

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes what happens to every processor, and counts its records in a store.
#[derive(Clone, Default)]
struct Note {
    seen: Seen,
}

struct NoteOne {
    seen: Seen,
    name: String,
    own: Option<Cancellable>,
}

impl Note {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }
}

impl NoteOne {
    fn note(&self, what: impl std::fmt::Display) {
        let name = &self.name;
        let mut seen = self.seen.lock().expect("no panic");
        seen.push(format!("{name} {what}"));
    }

    fn store(&self) -> String {
        format!("{}-records", self.name)
    }
}

impl ProcessorWrapper for Note {
    fn wrap(&self, processor: &str) -> Option<Box<dyn WrappedProcessor>> {
        (processor != "quiet").then(|| -> Box<dyn WrappedProcessor> {
            Box::new(NoteOne {
                seen: Arc::clone(&self.seen),
                name: processor.to_owned(),
                own: None,
            })
        })
    }

    fn stores(&self, processor: &str) -> Vec<Arc<dyn StoreBuilder>> {
        let supplier = Stores::in_memory_key_value_store(format!("{processor}-records"));
        let (keys, values) = (String::default_serde(), i64::default_serde());
        let store = Stores::key_value_store_builder(supplier, keys, values);
        vec![Arc::new(store.with_logging_disabled())]
    }
}

impl WrappedProcessor for NoteOne {
    fn init(
        &mut self,
        context: &mut ProcessingContext<'_>,
        wrapped: Wrapped<'_>,
    ) -> Result<(), ProcessorError> {
        self.note("init");
        let minute = Duration::from_secs(60);
        self.own = Some(context.schedule(minute, PunctuationType::WallClockTime)?);
        wrapped(context)
    }

    fn process(
        &mut self,
        context: &mut ProcessingContext<'_>,
        mut record: WrappedRecord<'_>,
    ) -> Result<(), ProcessorError> {
        if let Some(text) = record.value_mut::<String>() {
            if text == "drop" {
                return Ok(());
            }
            if text == "fail" {
                return Err(ProcessorError::new("as it was told"));
            }
            text.push('!');
        }
        let key = record.key::<String>().cloned().expect("keys are texts");
        let change = record.value::<Change<i64>>().map(|change| change.new);
        self.note(format!("takes {key} {change:?} at {}", record.timestamp()));
        let count = |store: &mut KeyValueStore<String, i64>, context: &_| {
            let count = store.get(&key)?.unwrap_or(0) + 1;
            store.put(&key, Some(&count), context)
        };
        context.with_store(&*self.store(), count)??;
        record.process(context)
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessingContext<'_>,
        punctuator: Cancellable,
        timestamp: i64,
        wrapped: Wrapped<'_>,
    ) -> Result<(), ProcessorError> {
        if self.own == Some(punctuator) {
            self.note("own punctuator");
            return Ok(());
        }
        self.note(format!("punctuator at {timestamp}"));
        wrapped(context)
    }

    fn close(&mut self) {
        self.note("close");
    }
}

fn driver(topology: Topology) -> TopologyTestDriver {
    let config = StreamsConfig::new("app", "localhost:9092").expect("a configuration");
    let config = config.set(
        "processing.exception.handler",
        "LogAndContinueProcessingExceptionHandler",
    );
    TopologyTestDriver::new(topology, config.expect("a configuration")).expect("a driver")
}

#[test]
fn every_processor_of_the_dsl_is_wrapped() {
    let note = Note::default();
    let builder = StreamsBuilder::new().with_processor_wrapper(note.clone());
    let texts = builder.stream::<String, String>("in");
    let kept = texts.named("kept").filter(|_, text| text != "no!");
    let counts = kept.group_by_key().named("counts");
    let counts = counts.count(Materialized::as_store("counts"));
    counts.named("changes").to_stream().to("out");
    let driver = driver(builder.build().expect("a topology"));
    assert_eq!(note.taken(), ["kept init", "counts init", "changes init"]);
    let input = driver.create_input_topic::<String, String>("in");
    for text in ["yes", "no", "drop", "fail"] {
        input
            .pipe_input_at("k".to_owned(), text.to_owned(), 7)
            .expect("is processed");
    }
    let expected = [
        "kept takes k None at 7",
        "counts takes k None at 7",
        "changes takes k Some(Some(1)) at 7",
        "kept takes k None at 7",
    ];
    assert_eq!(note.taken(), expected);
    assert_eq!(driver.dropped_records(), 1);
    let out = driver.create_output_topic::<String, Option<i64>>("out");
    assert_eq!(out.read_values_to_list().expect("is read"), [Some(1)]);
    let taken = driver.key_value_store::<String, i64>("kept-records");
    let taken = taken.expect("a store").get(&"k".to_owned());
    assert_eq!(taken.expect("is read"), Some(2));
    driver
        .advance_wall_clock_time(Duration::from_secs(60))
        .expect("is punctuated");
    let mut punctuated = note.taken();
    punctuated.sort_unstable();
    let expected = ["changes", "counts", "kept"].map(|name| format!("{name} own punctuator"));
    assert_eq!(punctuated, expected);
    driver.close().expect("is closed");
    assert_eq!(
        note.taken(),
        ["kept close", "counts close", "changes close"]
    );
}

/// Forwards what it takes, and what it is punctuated for.
struct Forward;

impl Processor<String, String, String, String> for Forward {
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        let second = Duration::from_secs(1);
        context.schedule(second, PunctuationType::WallClockTime)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        context.forward(record)
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        _: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        context.forward(Record::new("k".to_owned(), "tick".to_owned(), timestamp))
    }
}

#[test]
fn processors_of_the_users_are_wrapped_by_name() {
    let note = Note::default();
    let serdes = || (String::default_serde(), String::default_serde());
    let mut builder = TopologyBuilder::new().with_processor_wrapper(note.clone());
    builder
        .add_source("source", ["in"], serdes())
        .add_processor("loud", || Forward, &["source"])
        .add_processor("quiet", || Forward, &["loud"])
        .add_sink("sink", "out", serdes(), &["quiet"]);
    let driver = driver(builder.build().expect("a topology"));
    let input = driver.create_input_topic::<String, String>("in");
    let out = driver.create_output_topic::<String, String>("out");
    input
        .pipe_input("k".to_owned(), "v".to_owned())
        .expect("is processed");
    assert_eq!(out.read_values_to_list().expect("is read"), ["v!"]);
    driver
        .advance_wall_clock_time(Duration::from_secs(1))
        .expect("is punctuated");
    assert_eq!(
        out.read_values_to_list().expect("is read"),
        ["tick", "tick"]
    );
    let seen = note.taken();
    assert!(
        seen.iter().all(|seen| seen.starts_with("loud ")),
        "{seen:?}"
    );
    let punctuated = seen.iter().filter(|seen| seen.contains("punctuator at"));
    assert_eq!(punctuated.count(), 1);
}
