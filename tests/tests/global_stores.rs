//! A global store of a running application, on the embedded broker.

use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::{KafkaStreams, State, StreamsConfig};
use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{KeyValueStore, Stores};
use eddyline_core::topology::{Topology, TopologyBuilder};
use eddyline_core::types::TopicPartition;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

const PATIENCE: Duration = Duration::from_secs(60);

type Names = KeyValueStore<String, String>;

/// Fills the store.
struct Fill;

impl Processor<String, String, (), ()> for Fill {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, (), ()>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        context.with_store::<Names, _>("names", |names, context| {
            names.put(&record.key, Some(&record.value), context)
        })??;
        Ok(())
    }
}

/// Puts the name of its key in front of every value.
struct Name;

impl Processor<String, String, String, String> for Name {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessorError> {
        let name = context.with_store::<Names, _>("names", |names, _| names.get(&record.key))??;
        let named = format!("{}:{}", name.as_deref().unwrap_or("?"), record.value);
        context.forward(record.with_value(named))
    }
}

fn topology() -> Topology {
    let serdes = || (String::default_serde(), String::default_serde());
    let store = Stores::key_value_store_builder(
        Stores::in_memory_key_value_store("names"),
        String::default_serde(),
        String::default_serde(),
    );
    let mut builder = TopologyBuilder::new();
    builder
        .add_global_store(store, "name-source", "names", serdes(), "fill", || Fill)
        .add_source("events", "events", serdes())
        .add_processor("name", || Name, &["events"])
        .add_sink("out", "out", serdes(), &["name"]);
    builder.build().expect("a valid topology")
}

#[test]
fn a_global_store_is_full_before_tasks_begin_and_follows_its_topic() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let mut admin = Admin::connect(&broker.bootstrap_servers(), PATIENCE).expect("it answers");
    let topics = [("names", 3), ("events", 2), ("out", 1)];
    admin.create_topics(&topics).expect("topics");
    let keys: Vec<String> = (0..500).map(|number| format!("key-{number}")).collect();
    let records = |value: &'static [u8]| {
        let keys = keys.iter();
        keys.map(move |key| (Some(key.as_str()), Some(value)))
    };
    admin.produce("names", records(b"first")).expect("records");
    admin.produce("events", records(b"a")).expect("records");
    let config = StreamsConfig::new("naming", broker.bootstrap_servers())
        .and_then(|config| config.set("num.stream.threads", 2))
        .and_then(|config| config.set("commit.interval.ms", 100))
        .expect("a valid configuration");
    let streams = KafkaStreams::new(topology(), config).expect("a source");
    let streams = streams.start().expect("threads and sockets");
    assert_eq!(streams.wait_for(State::Running, PATIENCE), State::Running);
    let began = Instant::now();
    let mut out = Vec::new();
    let mut last = 0;
    let mut round = 0;
    while out.iter().filter(|value| *value == "second:b").count() < 500 {
        assert!(
            began.elapsed() < PATIENCE,
            "{} of them after {round}",
            out.len()
        );
        let partition = TopicPartition::new("out", 0);
        let read = admin.read_to_end(&partition).expect("it is read");
        out = read
            .into_iter()
            .map(|record| String::from_utf8(record.value.unwrap_or_default().to_vec()))
            .collect::<Result<_, _>>()
            .expect("text");
        if out.len() >= last + 500 {
            if round == 0 {
                assert!(out.iter().all(|value| value == "first:a"), "{out:?}");
                admin.produce("names", records(b"second")).expect("records");
            }
            round += 1;
            last = out.len();
            admin.produce("events", records(b"b")).expect("records");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    streams.close(PATIENCE).expect("it closes");
}
