//! State stores of every kind, through serdes, cache and changelog, against Java's own store classes.
//!
//! Each operation runs under the context of a record of its own. A commit comes every so many
//! operations, inside the time measured: it flushes the cache, hands the changelog records to a sink
//! that drops them, and applies a persistent store's writes. Java does the same. Its persistent
//! stores are RocksDB's; it has no versioned store in memory, so both of ours are compared with
//! that on RocksDB.

mod key_value;
mod restore;
mod versioned;
mod windowed;

use std::path::PathBuf;
use std::time::Duration;

use eddyline::persistent::StateDirectory;
use eddyline_core::config::StreamsConfig;
use eddyline_core::state::StateStore;
use eddyline_core::state::storage::TaskStorage;
use eddyline_core::types::{Headers, RecordContext, TaskId};

use crate::allocations::live_bytes;
use crate::java_side::JavaSide;
use crate::rounds::{Case, Plan, print};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Rows of a store; may be repeated [default: 1000 and 100000, with `--full` 5000000 too].
    #[arg(long)]
    keys: Vec<u32>,
    /// Measures longer, and five million rows too: takes about half an hour.
    #[arg(long)]
    full: bool,
    /// Records to restore [default: 500000, with `--full` 5000000].
    #[arg(long)]
    restore: Option<u32>,
    /// Rounds of each case; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// About how long a round takes, in milliseconds [default: 150, with `--full` 1000].
    #[arg(long)]
    round_ms: Option<u64>,
    /// Leaves Java out.
    #[arg(long)]
    no_java: bool,
    /// Only cases whose name has this in it, as `get+put/memory`.
    #[arg(long, default_value = "")]
    case: String,
}

/// Measures every case and prints a line for each.
pub(crate) fn run(arguments: &Arguments) {
    let mut java = None;
    if !arguments.no_java {
        match JavaSide::start("StoreBench") {
            Ok(side) => java = Some(side),
            Err(reason) => println!("{reason}: no ratios to Java."),
        }
    }
    let round_ms = if arguments.full { 1000 } else { 150 };
    let plan = Plan {
        rounds: arguments.rounds,
        round: Duration::from_millis(arguments.round_ms.unwrap_or(round_ms)),
    };
    let sizes: &[u32] = match (&arguments.keys[..], arguments.full) {
        ([], false) => &[1_000, 100_000],
        ([], true) => &[1_000, 100_000, 5_000_000],
        (keys, _) => keys,
    };
    for &keys in sizes {
        for name in names() {
            if name.contains(&arguments.case) {
                measure(&plan, &name, keys, &mut java);
            }
        }
    }
    let records = if arguments.full { 5_000_000 } else { 500_000 };
    let records = arguments.restore.unwrap_or(records);
    for name in restore::NAMES {
        if name.contains(&arguments.case) {
            let theirs = java.as_mut().and_then(|java| {
                java.open(name, records)
                    .and(java.round(Duration::from_secs(3600)))
            });
            let theirs = theirs.map(|r| r.operations as f64 / r.elapsed.as_secs_f64());
            let ours = restore::records_per_second(name, records);
            print(&format!("{name} {records}"), (ours, theirs));
        }
    }
}

fn measure(plan: &Plan, name: &str, keys: u32, java: &mut Option<JavaSide>) {
    let before = live_bytes();
    let mut case = build(name, keys);
    let bytes = before
        .zip(live_bytes())
        .map(|(before, now)| now.saturating_sub(before));
    let java_bytes = java.as_mut().and_then(|java| java.open(name, keys));
    // Java's versioned store has its rows outside of the heap.
    let java_bytes = java_bytes.filter(|_| !name.starts_with("versioned"));
    print(&format!("{name} {keys}"), plan.measure(&mut *case, java));
    let is_weighed = name.starts_with("put/memory/plain") || name.contains("-put/memory/plain");
    if let Some(bytes) = bytes.filter(|_| is_weighed) {
        let per_key = |bytes: usize| bytes as f64 / f64::from(keys);
        let (ours, java) = (per_key(bytes), java_bytes.map(per_key));
        let against = java.map(|java| format!("  Java {java:.1}  ratio {:.2}", ours / java));
        let against = against.unwrap_or_default();
        println!("{name} {keys}: {ours:.1} bytes of memory a row{against}");
    }
}

/// `operation/medium/layers` of every case, as the Java side knows it too.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    for medium in ["memory", "persistent"] {
        for operation in [
            "get",
            "put",
            "get+put",
            "range-100",
            "window-put",
            "window-fetch",
            "session-merge",
        ] {
            for layers in ["plain", "cached"] {
                names.push(format!("{operation}/{medium}/{layers}"));
            }
        }
        names.push(format!("versioned-put/{medium}/plain"));
        names.push(format!("versioned-get-as-of/{medium}/plain"));
    }
    names
}

/// The case called `name` over a store with `keys` rows.
fn build(name: &str, keys: u32) -> Box<dyn Case> {
    let operation = name.split('/').next().unwrap_or_default();
    let layers = Layers {
        is_persistent: name.contains("/persistent"),
        is_cached: name.ends_with("/cached"),
    };
    match operation.split_once('-') {
        Some(("window", operation)) => Box::new(windowed::Windows::new(operation, layers, keys)),
        Some(("session", _)) => Box::new(windowed::Sessions::new(layers, keys)),
        Some(("versioned", operation)) => {
            Box::new(versioned::Versions::new(operation, layers, keys))
        }
        _ => Box::new(key_value::KeyValues::new(operation, layers, keys)),
    }
}

/// What a store is made of.
#[derive(Clone, Copy)]
struct Layers {
    is_persistent: bool,
    is_cached: bool,
}

/// What a task has around its store.
struct Task {
    context: RecordContext,
    is_cached: bool,
    storage: Option<(TaskStorage, TemporaryDirectory)>,
    logged_bytes: usize,
}

impl Task {
    /// A task around `store`, which takes its place in the storage.
    fn new(store: &mut dyn StateStore, layers: Layers) -> Self {
        let storage = layers.is_persistent.then(|| {
            let directory = TemporaryDirectory::new();
            let storage = directory.open();
            store.init(&storage).expect("the storage is new");
            (storage, directory)
        });
        Self {
            context: RecordContext {
                topic: Some("words".into()),
                partition: 0,
                offset: 0,
                timestamp: 0,
                headers: Headers::new(),
                source_record: None,
            },
            is_cached: layers.is_cached,
            storage,
            logged_bytes: 0,
        }
    }

    /// Begins the next record.
    fn next_record(&mut self) -> i64 {
        self.context.offset += 1;
        self.context.timestamp += 1;
        self.context.timestamp
    }

    /// Ends a record: what was evicted goes down, what was logged is sent.
    fn end_record<S: StateStore>(&mut self, store: &mut S) {
        if !self.is_cached {
            self.log(store);
        } else if store.has_pending() {
            drain(store);
            self.log(store);
        }
    }

    fn commit<S: StateStore>(&mut self, store: &mut S) {
        store.begin_flush();
        drain(store);
        self.log(store);
        if let Some((storage, _)) = &self.storage {
            storage.seal();
            let offset = self.context.offset;
            storage.commit(|_| Some(offset)).expect("is written");
        }
    }

    fn log<S: StateStore>(&mut self, store: &mut S) {
        store.visit_changelog(&mut |entry| self.logged_bytes += entry.key.len());
    }
}

fn drain(store: &mut impl StateStore) {
    while store.next_flushed().expect("rows are written").is_some() {}
}

/// A directory for one store, removed when it is dropped.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("eddyline-bench-{}", std::process::id()));
        // Of a process before with the same number.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> TaskStorage {
        let config = StreamsConfig::new("bench", "localhost:1").expect("is valid");
        let task = TaskId::new(0, 0);
        let directory = self.0.display().to_string();
        let directory = StateDirectory::open(&config, &directory);
        let storages = directory.expect("can be made").storages();
        let storage = storages.open(task).expect("is free");
        TaskStorage::open(storage, "bench", task).expect("is empty")
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `statestore.cache.max.bytes` of cached cases: nothing is evicted at 100 thousand rows.
const CACHE_BYTES_MAX: usize = 64 << 20;
