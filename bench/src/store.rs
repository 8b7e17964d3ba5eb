//! Get and put on a key-value store, through serdes, cache and changelog.
//!
//! One operation reads the count of a random key and writes it plus one, under the context of a
//! record of its own, as an aggregation does. Every case ends each round as a commit does: it
//! flushes the cache and hands the changelog records to a sink that drops them, inside the time
//! measured. Java does the same on its own store classes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::{
    CacheBudget, StateStore, Stores, TimestampedKeyValueStore, ValueAndTimestamp,
};
use eddyline_core::types::{Headers, RecordContext};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::store_java::Java;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Different keys.
    #[arg(long, default_value_t = 100_000)]
    keys: u32,
    /// Get and put pairs in one round.
    #[arg(long, default_value_t = 1_000_000)]
    pairs: usize,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Leaves Java out.
    #[arg(long)]
    no_java: bool,
    /// Only the case with this name.
    #[arg(long)]
    case: Option<String>,
}

/// Measures every case and prints a line for each.
pub(crate) fn run(arguments: &Arguments) {
    let java = if arguments.no_java {
        Err("Java is left out on request".to_owned())
    } else {
        Java::start(arguments.keys, arguments.pairs)
    };
    let mut java = java
        .map_err(|reason| println!("{reason}: no ratios to Java."))
        .ok();
    let mut map = BareMap::default();
    for case in CASES {
        if arguments
            .case
            .as_ref()
            .is_some_and(|only| only != case.name)
        {
            continue;
        }
        let mut store = case.build();
        // Fills the store, and lets the Java compiler see what is hot.
        let mut order = Order::new(arguments.keys);
        for _ in 0..WARM_UP_ROUNDS {
            case.round(&mut store, arguments.pairs, &mut order);
            map.round(arguments.pairs, &mut order);
            if let Some(java) = &mut java {
                java.round(case.name);
            }
        }
        let (mut ours, mut theirs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            ours.push(case.round(&mut store, arguments.pairs, &mut order));
            theirs.extend(java.as_mut().and_then(|java| java.round(case.name)));
            bare.push(map.round(arguments.pairs, &mut order));
        }
        let rate = |rounds: &mut Vec<Duration>| {
            let median = median(rounds)?;
            Some(arguments.pairs as f64 / median.as_secs_f64() / 1e6)
        };
        let Some((ours, bare)) = rate(&mut ours).zip(rate(&mut bare)) else {
            println!("No rounds, no figures.");
            return;
        };
        let name = case.name;
        if let Some(theirs) = rate(&mut theirs) {
            println!(
                "{name}: {ours:.2} M get+put/s, Java {theirs:.2} M/s, ratio {:.2}",
                ours / theirs
            );
        } else {
            println!("{name}: {ours:.2} M get+put/s");
        }
        println!(
            "{name}: {ours:.2} M get+put/s, bare map {bare:.2} M/s, ratio {:.2}",
            ours / bare
        );
    }
}

type CountStore = TimestampedKeyValueStore<String, i64>;

/// Layers of the store, under the name that the Java side knows too.
struct Case {
    name: &'static str,
    is_cached: bool,
    is_logged: bool,
}

impl Case {
    fn build(&self) -> CountStore {
        let mut builder = Stores::timestamped_key_value_store_builder(
            Stores::in_memory_key_value_store("counts"),
            String::default_serde(),
            i64::default_serde(),
        );
        if self.is_cached {
            builder = builder.with_caching_enabled();
        }
        if !self.is_logged {
            builder = builder.with_logging_disabled();
        }
        builder.build_typed(&CacheBudget::new(CACHE_BYTES_MAX))
    }

    fn round(&self, store: &mut CountStore, pairs: usize, order: &mut Order) -> Duration {
        let mut context = RecordContext {
            topic: Some("words".into()),
            partition: 0,
            offset: 0,
            timestamp: 0,
            headers: Headers::new(),
        };
        let mut logged = 0_usize;
        let start = Instant::now();
        for _ in 0..pairs {
            context.offset += 1;
            context.timestamp += 1;
            let key = order.next();
            let count = store.get(key).expect("longs are read");
            let count = count.map_or(0, |count| count.value);
            let value = ValueAndTimestamp::new(count + 1, context.timestamp);
            store
                .put(key, Some(&value), &context)
                .expect("memory does not fail");
            if !self.is_cached {
                store.visit_changelog(&mut |entry| logged += entry.key.len());
            }
        }
        store.begin_flush();
        while store
            .next_flushed()
            .expect("memory does not fail")
            .is_some()
        {}
        store.visit_changelog(&mut |entry| logged += entry.key.len());
        black_box(logged);
        start.elapsed()
    }
}

/// The least that a count by key can cost: no bytes, no order, no changelog.
#[derive(Default)]
struct BareMap {
    counts: HashMap<String, ValueAndTimestamp<i64>, FixedState>,
}

impl BareMap {
    fn round(&mut self, pairs: usize, order: &mut Order) -> Duration {
        let start = Instant::now();
        for timestamp in 0..pairs as i64 {
            let key = order.next();
            let count = self.counts.get(key).map_or(0, |count| count.value);
            let value = ValueAndTimestamp::new(count + 1, timestamp);
            match self.counts.get_mut(key) {
                Some(own) => *own = value,
                None => {
                    self.counts.insert(key.clone(), value);
                }
            }
        }
        start.elapsed()
    }
}

/// Which key is next: a xorshift sequence, the same on the Java side. The text of the key is
/// written anew each time, as the key of a record just read is.
struct Order {
    state: u64,
    keys: u32,
    key: String,
}

impl Order {
    fn new(keys: u32) -> Self {
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            keys,
            key: String::new(),
        }
    }

    fn next(&mut self) -> &String {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let mut number = (self.state >> 33) as u32 % self.keys;
        let mut text = *b"key-00000000";
        for digit in text[4..].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.key.clear();
        self.key
            .push_str(std::str::from_utf8(&text).expect("is ASCII"));
        &self.key
    }
}

fn median(rounds: &mut [Duration]) -> Option<Duration> {
    rounds.sort();
    rounds.get(rounds.len() / 2).copied()
}

const CASES: [Case; 3] = [
    Case {
        name: "cached",
        is_cached: true,
        is_logged: true,
    },
    Case {
        name: "plain",
        is_cached: false,
        is_logged: true,
    },
    Case {
        name: "plain-unlogged",
        is_cached: false,
        is_logged: false,
    },
];

/// `statestore.cache.max.bytes` of the cached case: nothing is evicted.
const CACHE_BYTES_MAX: usize = 64 << 20;

const WARM_UP_ROUNDS: usize = 3;
