//! What the tests share: real brokers, Kafka's own tools, word counts in processes of their own.

pub mod chaos;
pub mod conformance;
mod instance;
mod kafka;
mod kafka_streams;
mod keys;
pub mod relay;
mod shop;
mod smoke;
mod takeover;
mod words;

pub use instance::Instance;
pub use kafka::{KafkaBroker, full_tests_run, java_tests_run, kafka_tool, wait_for_members};
pub use kafka_streams::JavaApplication;
pub use keys::{KEYS_TOPIC, key_count_topology, produce_keys};
pub use shop::Shop;
pub use smoke::{SmokeTestDriver, smoke_test_topology};
pub use takeover::{Reflected, SCENARIOS, Scenario, Takeover};
pub use words::{KING_JAMES, WordCount, count_words, word_count_topology, words};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long tests wait for what takes moments.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`.
///
/// # Panics
/// Where that takes longer than [`PATIENCE`]; says what it waited for.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder under the build's target folder, for one test alone.
///
/// # Panics
/// Where the target folder cannot be written.
pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/tmp")
        .join(name);
    std::fs::create_dir_all(&directory).expect("the target folder is writable");
    directory
}
