//! The least application with state: it counts keys.

use eddyline::admin::Admin;
use eddyline::dsl::Materialized;
use eddyline::state::Stores;
use eddyline::{StreamsBuilder, Topology};

/// The topic that the keys are read from.
pub const KEYS_TOPIC: &str = "in";

/// Counts keys in memory, in `store`.
///
/// # Panics
/// Never: the topology is valid.
pub fn key_count_topology(store: &str) -> Topology {
    let builder = StreamsBuilder::new();
    let counted = Materialized::as_key_value_store(Stores::in_memory_key_value_store(store));
    builder
        .stream::<String, String>(KEYS_TOPIC)
        .group_by_key()
        .count(counted);
    builder.build().expect("a valid topology")
}

/// Writes one record of each of so many keys, `key-0000` and on.
///
/// # Panics
/// Where the broker refuses that.
pub fn produce_keys(admin: &mut Admin, count: usize) {
    let keys: Vec<String> = (0..count)
        .map(|number| format!("key-{number:04}"))
        .collect();
    let records = keys.iter().map(|key| (Some(key.as_str()), Some(&b"x"[..])));
    admin.produce(KEYS_TOPIC, records).expect("records");
}
