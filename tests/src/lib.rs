//! What the tests share: real brokers, Kafka's own tools, word counts in processes of their own.

pub mod chaos;
pub mod conformance;
mod instance;
mod kafka;
mod kafka_streams;
mod shop;
mod smoke;
mod takeover;
mod words;

pub use instance::Instance;
pub use kafka::{KafkaBroker, full_tests_run, java_tests_run, kafka_tool, wait_for_members};
pub use kafka_streams::JavaApplication;
pub use shop::Shop;
pub use smoke::{SmokeTestDriver, smoke_test_topology};
pub use takeover::{Reflected, SCENARIOS, Scenario, Takeover};
pub use words::{KING_JAMES, WordCount, count_words, word_count_topology, words};

use std::path::{Path, PathBuf};

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
