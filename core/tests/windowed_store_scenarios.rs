//! The window and session stores of the conformance suite: every result and every changelog record,
//! against what Kafka Streams 4.3.1 computed. Stores that keep headers are passed over.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::StreamsBuilder;
use eddyline_core::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::storage::{InMemoryStorage, TaskStorage};
use eddyline_core::state::{
    CacheBudget, ChangelogRecord, SessionStore, StateError, StateStore, StoreBuilder, Stores,
    TimestampedWindowStore, ValueAndTimestamp, WindowStore,
};
use eddyline_core::types::{Headers, RecordContext, TaskId};
use eddyline_core::window::{Window, Windowed};
use serde_json::{Value, json};

type Key = Option<String>;

/// The stores of a scenario, as one task has them.
struct Task {
    /// In the order of registration.
    stores: Vec<(String, Box<dyn StateStore>)>,
    storage: TaskStorage,
    changelogs: BTreeMap<String, Vec<ChangelogRecord>>,
}

impl Task {
    fn new(scenario: &Value, changelogs: BTreeMap<String, Vec<ChangelogRecord>>) -> Self {
        let cache_bytes = scenario["config"]["cache_bytes"].as_u64().unwrap_or(0);
        let budget = CacheBudget::new(cache_bytes as usize);
        let mut stores = Vec::new();
        let storage = Box::new(InMemoryStorage::new());
        let storage = TaskStorage::open(storage, "app", TaskId::new(0, 0));
        let storage = storage.expect("memory does not fail");
        for op in scenario["topology"].as_array().expect("a list") {
            if op["op"] != "add_store" {
                continue;
            }
            let name = op["store"]["name"].as_str().expect("a name");
            let Some(builder) = builder(&op["store"], name) else {
                continue;
            };
            let mut store = builder.build(&budget);
            store.init(&storage).expect("memory does not fail");
            for record in changelogs.get(name).into_iter().flatten() {
                store.restore(record.clone()).expect("is restored");
            }
            stores.push((name.to_owned(), store));
        }
        Self {
            stores,
            storage,
            changelogs,
        }
    }

    fn commit(&mut self, step: &mut Step) {
        for (_, store) in &mut self.stores {
            store.begin_flush();
            let flushed = store.next_flushed().expect("is flushed");
            assert_eq!(flushed, None, "nobody listens");
        }
        self.log(step);
        let committed = self.storage.commit_restored(|_| None);
        committed.expect("memory does not fail");
    }

    fn log(&mut self, step: &mut Step) {
        for (name, store) in &mut self.stores {
            let mut records = Vec::new();
            store.drain_changelog(&mut records);
            let produced = step.changelogs.entry(name.clone()).or_default();
            produced.extend(records.iter().map(|record| {
                json!({
                    "key_hex": hex(&record.key),
                    "value_hex": record.value.as_ref().map(|value| hex(value)),
                    "ts": record.timestamp,
                })
            }));
            let log = self.changelogs.entry(name.clone()).or_default();
            log.extend(records);
        }
    }

    /// The result of a command; `None` for a store that is passed over.
    fn run(&mut self, command: &str, context: &RecordContext) -> Option<Value> {
        let words: Vec<&str> = command.split(' ').collect();
        let (_, store) = self.stores.iter_mut().find(|(name, _)| name == words[0])?;
        let store = store.as_any_mut();
        let result = if let Some(store) = store.downcast_mut() {
            window_command(store, &words[1..], context)
        } else if let Some(store) = store.downcast_mut() {
            timestamped_command(store, &words[1..], context)
        } else if let Some(store) = store.downcast_mut() {
            session_command(store, &words[1..], context)
        } else {
            unreachable!("the store has one of these types")
        };
        Some(match result {
            Ok(result) => result,
            Err(StateError::NullKey { .. }) => json!({"error": "java.lang.NullPointerException"}),
            Err(error) => panic!("{command}: {error}"),
        })
    }
}

/// What one event gave.
#[derive(Default)]
struct Step {
    changelogs: BTreeMap<String, Vec<Value>>,
}

fn builder(store: &Value, name: &str) -> Option<Box<dyn StoreBuilder>> {
    if store["retention_ms"].is_null() {
        return None;
    }
    let is_in_memory = store["type"] == "in_memory";
    let is_cached = store["caching"] == true;
    let is_logged = store["logging"] != false;
    let retention_ms = store["retention_ms"].as_i64().expect("a retention");
    let window = || {
        let size_ms = store["window_size_ms"].as_i64().expect("a size");
        let duplicates = store["retain_duplicates"] == true;
        let supplier = if is_in_memory {
            Stores::in_memory_window_store(name, retention_ms, size_ms, duplicates)
        } else {
            Stores::persistent_window_store(name, retention_ms, size_ms, duplicates)
        };
        supplier.expect("settings that go together")
    };
    macro_rules! finish {
        ($builder:expr) => {{
            let mut builder = $builder;
            if is_cached {
                builder = builder.with_caching_enabled();
            }
            if !is_logged {
                builder = builder.with_logging_disabled();
            }
            Some(Box::new(builder))
        }};
    }
    let (keys, values) = (Key::default_serde(), String::default_serde());
    match store["kind"].as_str().expect("a kind") {
        "window" => finish!(Stores::window_store_builder(window(), keys, values)),
        "timestamped_window" => finish!(Stores::timestamped_window_store_builder(
            window(),
            keys,
            values
        )),
        "session" => {
            let supplier = if is_in_memory {
                Stores::in_memory_session_store(name, retention_ms)
            } else {
                Stores::persistent_session_store(name, retention_ms)
            };
            let supplier = supplier.expect("settings that go together");
            finish!(Stores::session_store_builder(supplier, keys, values))
        }
        _ => None,
    }
}

fn text(word: &str) -> Option<String> {
    match word {
        "-" => None,
        "''" => Some(String::new()),
        word => Some(word.to_owned()),
    }
}

fn time(word: &str) -> i64 {
    word.parse().expect("a time")
}

fn keys(from: &str, to: &str) -> (Bound<Key>, Bound<Key>) {
    let bound = |word| match text(word) {
        None => Bound::Unbounded,
        key => Bound::Included(key),
    };
    (bound(from), bound(to))
}

fn windowed<V: Into<Value>>(row: Result<(Windowed<Key>, V), StateError>) -> Value {
    let (key, value) = row.expect("is read");
    let window = key.window;
    json!([[key.key, window.start, window.end], value.into()])
}

macro_rules! window_reads {
    ($store:expr, $words:expr, $json:expr) => {{
        let (store, words) = ($store, $words);
        let of_key = |row: Result<(i64, _), StateError>| {
            let (start, value) = row.expect("is read");
            json!([start, $json(value)])
        };
        let of_all = |row: Result<(Windowed<Key>, _), StateError>| {
            windowed(row.map(|(key, value)| (key, $json(value))))
        };
        let times = |at: usize| (time(words[at]), time(words[at + 1]));
        match words[0] {
            "fetch_at" => {
                let found = store.fetch_at(&text(words[1]), time(words[2]))?;
                found.map_or(Value::Null, $json)
            }
            "fetch" => {
                let (from, to) = times(2);
                store
                    .fetch(&text(words[1]), from, to)?
                    .map(of_key)
                    .collect()
            }
            "reverse_fetch" => {
                let (from, to) = times(2);
                let rows = store.backward_fetch(&text(words[1]), from, to)?;
                rows.map(of_key).collect()
            }
            "fetch_range" => {
                let (from, to) = times(3);
                let rows = store.fetch_range(keys(words[1], words[2]), from, to)?;
                rows.map(of_all).collect()
            }
            "reverse_fetch_range" => {
                let (from, to) = times(3);
                let rows = store.backward_fetch_range(keys(words[1], words[2]), from, to)?;
                rows.map(of_all).collect()
            }
            "fetch_all" => {
                let (from, to) = times(1);
                store.fetch_all(from, to).map(of_all).collect()
            }
            "reverse_fetch_all" => {
                let (from, to) = times(1);
                store.backward_fetch_all(from, to).map(of_all).collect()
            }
            "all" => store.all().map(of_all).collect(),
            "reverse_all" => store.backward_all().map(of_all).collect(),
            other => panic!("command {other}"),
        }
    }};
}

fn window_command(
    store: &mut WindowStore<Key, String>,
    words: &[&str],
    context: &RecordContext,
) -> Result<Value, StateError> {
    if words[0] == "put" {
        let value = text(words[2]);
        store.put(&text(words[1]), value.as_ref(), time(words[3]), context)?;
        return Ok(json!("ok"));
    }
    Ok(window_reads!(store, words, Value::from))
}

fn timestamped_command(
    store: &mut TimestampedWindowStore<Key, String>,
    words: &[&str],
    context: &RecordContext,
) -> Result<Value, StateError> {
    if words[0] == "put" {
        let value = text(words[2]).map(|text| ValueAndTimestamp::new(text, time(words[3])));
        store.put(&text(words[1]), value.as_ref(), time(words[4]), context)?;
        return Ok(json!("ok"));
    }
    let stamped = |value: ValueAndTimestamp<String>| json!([value.value, value.timestamp]);
    Ok(window_reads!(store, words, stamped))
}

fn session_command(
    store: &mut SessionStore<Key, String>,
    words: &[&str],
    context: &RecordContext,
) -> Result<Value, StateError> {
    let session = || {
        let window = Window::new(time(words[2]), time(words[3]));
        Windowed::new(text(words[1]), window)
    };
    let key = || text(words[1]);
    let range = || keys(words[1], words[2]);
    let times = |at: usize| (time(words[at]), time(words[at + 1]));
    let rows = match words[0] {
        "put" => {
            store.put(&session(), text(words[4]).as_ref(), context)?;
            return Ok(json!("ok"));
        }
        "remove" => {
            store.remove(&session(), context)?;
            return Ok(json!("ok"));
        }
        "fetch_session" => {
            let (start, end) = times(2);
            return Ok(json!(store.fetch_session(&key(), start, end)?));
        }
        "fetch" => store.fetch(&key())?,
        "reverse_fetch" => store.backward_fetch(&key())?,
        "fetch_range" => store.fetch_range(range())?,
        "reverse_fetch_range" => store.backward_fetch_range(range())?,
        "find_sessions" => store.find_sessions(&key(), times(2).0, times(2).1)?,
        "reverse_find_sessions" => store.backward_find_sessions(&key(), times(2).0, times(2).1)?,
        "find_sessions_range" => store.find_sessions_range(range(), times(3).0, times(3).1)?,
        "reverse_find_sessions_range" => {
            store.backward_find_sessions_range(range(), times(3).0, times(3).1)?
        }
        other => panic!("command {other}"),
    };
    Ok(rows.map(windowed).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn context(record: &Value, offset: i64) -> RecordContext {
    let mut headers = Headers::new();
    for header in record["headers"].as_array().into_iter().flatten() {
        let value = header[1].as_str();
        let value = value.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        headers.push(header[0].as_str().expect("a name"), value);
    }
    RecordContext {
        topic: Some(record["topic"].as_str().expect("a topic").into()),
        partition: 0,
        offset,
        timestamp: record["ts"].as_i64().expect("a timestamp"),
        headers,
    }
}

/// Runs a scenario; the number of results and changelog records compared.
fn check(name: &str, scenario: &Value) -> usize {
    let mut task = Task::new(scenario, BTreeMap::new());
    let commits_each = scenario["config"]["commit"] != "manual";
    let events = scenario["events"].as_array().expect("events");
    let mut compared = 0;
    for (index, event) in events.iter().enumerate() {
        let at = format!("{name}, event {index}: {event}");
        let expected = &scenario["expect"]["steps"][index];
        assert_eq!(expected["error"], Value::Null, "{at}");
        let produced = expected["produced"].as_array().expect("a list");
        let mut step = Step::default();
        if let Some(record) = event.get("record") {
            let context = context(record, index as i64);
            let commands = record["value"].as_str().unwrap_or_default().split(';');
            let commands = commands.filter(|command| !command.is_empty());
            let mut results = produced.iter().filter(|record| record["topic"] == "out");
            for command in commands {
                let expected = results.next().expect("a result for every command");
                if let Some(result) = task.run(command, &context) {
                    let result = json!(hex(result.to_string().as_bytes()));
                    assert_eq!(result, expected["value_hex"], "{at}: {command}");
                    compared += 1;
                }
                task.log(&mut step);
            }
            assert!(results.next().is_none(), "{at}");
            if commits_each {
                task.commit(&mut step);
            }
        } else if let Some(query) = event.get("query") {
            let query = query.as_str().expect("text");
            if let Some(result) = task.run(query, &RecordContext::punctuation(0)) {
                assert_eq!(result, expected["result"], "{at}");
                compared += 1;
            }
        } else if event.get("restart").is_some() {
            task.commit(&mut step);
            task = Task::new(scenario, task.changelogs);
        } else if event.get("commit").is_some() {
            task.commit(&mut step);
        }
        compared += compare_changelogs(&at, &task, &mut step, produced);
    }
    compared
}

fn compare_changelogs(at: &str, task: &Task, step: &mut Step, produced: &[Value]) -> usize {
    let mut compared = 0;
    for (store, _) in &task.stores {
        let topic = format!("app-{store}-changelog");
        let expected: Vec<Value> = produced
            .iter()
            .filter(|record| record["topic"] == topic.as_str())
            .map(|record| {
                let field = |name: &str| record[name].clone();
                json!({
                    "key_hex": field("key_hex"),
                    "value_hex": field("value_hex"),
                    "ts": field("ts"),
                })
            })
            .collect();
        let logged = step.changelogs.remove(store).unwrap_or_default();
        assert_eq!(logged, expected, "{at}: {topic}");
        compared += expected.len();
    }
    compared
}

/// A processor that its stores are connected to.
struct Connected;

impl Processor<Key, Key, Key, Key> for Connected {
    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, Key, Key>,
        _: Record<Key, Key>,
    ) -> Result<(), ProcessorError> {
        Ok(())
    }
}

/// The changelog topics of the stores, as the members of the group declare them.
fn check_topics(scenario: &Value) {
    let app = StreamsBuilder::new();
    let mut names = Vec::new();
    for op in scenario["topology"].as_array().expect("a list") {
        let name = op["store"]["name"].as_str().unwrap_or_default();
        if let Some(builder) = builder(&op["store"], name) {
            app.add_state_store(builder);
            names.push(name);
        }
    }
    app.stream::<Key, Key>("in").process(|| Connected, &names);
    let topology = app.build().expect("a valid topology");
    let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
    let topics = &topology.subtopologies(&config)[0].changelog_topics;
    let mut declared = serde_json::Map::new();
    for topic in topics {
        declared.insert(topic.name.to_string(), json!(topic.configs));
    }
    let mut expected = scenario["expect"]["subtopologies"][0]["changelog"].clone();
    let expected = expected.as_object_mut().expect("topics by name");
    expected.retain(|topic, _| {
        let is_of = |name: &&str| *topic == format!("app-{name}-changelog");
        names.iter().any(is_of)
    });
    assert_eq!(&declared, expected);
}

/// Checks every scenario of `family` that has a window or session store and is nothing but stores.
fn check_family(family: &str, compared_min: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/conformance/scenarios")
        .join(family);
    let files = std::fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<_> = files
        .map(|file| file.expect("can be listed").path())
        .collect();
    paths.sort();
    let mut compared = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("the file");
        let scenario: Value = serde_json::from_str(&text).expect("JSON");
        let mut ops = scenario["topology"].as_array().expect("a list").iter();
        let runs_commands = ops.clone().any(|op| op["script"] == "store_ops");
        let has_window =
            ops.any(|op| op["op"] == "add_store" && builder(&op["store"], "store").is_some());
        if runs_commands && has_window {
            check_topics(&scenario);
            compared += check(&path.display().to_string(), &scenario);
        }
    }
    assert!(compared >= compared_min, "only {compared} compared");
}

#[test]
fn window_stores_are_javas() {
    check_family("window_store", 1000);
}

#[test]
fn session_stores_are_javas() {
    check_family("session_store", 900);
}

#[test]
fn windowed_stores_of_the_basic_scenarios_are_javas() {
    check_family("basic", 100);
}

#[test]
fn restored_windowed_stores_are_javas() {
    check_family("restore", 10);
}
