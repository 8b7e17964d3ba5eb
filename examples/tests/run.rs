//! The examples do what they say.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;
use eddyline::types::TopicPartition;
use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};

#[test]
fn the_event_loop_counts_words() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let bootstrap = broker.bootstrap_servers();
    let mut admin = Admin::connect(&bootstrap, Duration::from_secs(30)).expect("it answers");
    admin
        .create_topics(&[("lines", 2), ("out", 1)])
        .expect("topics");
    let lines = ["to be or", "not to be"].map(|line| (None::<&str>, Some(line)));
    admin.produce("lines", lines).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_event-loop"))
        .args([&bootstrap, "lines", "out"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let expected = [("be", 2), ("not", 1), ("or", 1), ("to", 2)];
    let expected = BTreeMap::from(expected.map(|(word, count)| (word.to_owned(), count)));
    let began = Instant::now();
    loop {
        let mut counts = BTreeMap::new();
        let out = TopicPartition::new("out", 0);
        for record in admin.read_to_end(&out).expect("readable") {
            let word = record.key.expect("a word").to_vec();
            let count: [u8; 8] = record
                .value
                .as_deref()
                .expect("a count")
                .try_into()
                .expect("a long");
            counts.insert(
                String::from_utf8(word).expect("text"),
                i64::from_be_bytes(count),
            );
        }
        if counts == expected {
            break;
        }
        // Far more than it takes; not a measurement.
        assert!(began.elapsed() < Duration::from_secs(60), "{counts:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    let group = admin
        .describe_streams_group("event-loop")
        .expect("the group");
    assert_eq!(group.group_state, "Empty");
}
