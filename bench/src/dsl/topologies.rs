//! The topologies; `DslBench.java` has the same.

use std::time::Duration;

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{
    BufferConfig, JoinWindows, KGroupedStream, KStream, KTable, Materialized, SessionWindows,
    StreamsBuilder, Suppressed, TimeWindows,
};
use eddyline_core::topology::Topology;
use eddyline_core::window::Windowed;

/// Every case with a ratio to Java.
pub(super) const NAMES: [&str; 8] = [
    "stateless-chain",
    "count",
    "windowed-count",
    "session-count",
    "stream-stream-join",
    "table-table-join",
    "foreign-key-join",
    "suppress",
];

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The topology of the case called `name`, which reads the topics `in` and `other`.
pub(super) fn topology(name: &str, config: &StreamsConfig) -> Topology {
    let builder = StreamsBuilder::new();
    match name {
        "stateless-chain" => chain(&builder, 10),
        "hops-0" => chain(&builder, 0),
        "hops-20" => chain(&builder, 20),
        "count" => {
            let counts = grouped(&builder).count(Materialized::as_store("counts"));
            counts.to_stream().to("out");
        }
        "windowed-count" => {
            let hours = TimeWindows::of_size_with_no_grace(HOUR);
            let counts = grouped(&builder).windowed_by(hours);
            windows_out(&counts.count(Materialized::as_store("counts")));
        }
        "session-count" => {
            let sessions = SessionWindows::of_inactivity_gap_with_no_grace(HOUR);
            let counts = grouped(&builder).windowed_by(sessions);
            windows_out(&counts.count(Materialized::as_store("counts")));
        }
        "suppress" => {
            let seconds = TimeWindows::of_size_with_no_grace(Duration::from_secs(10));
            let counts = grouped(&builder).windowed_by(seconds);
            let counts = counts.count(Materialized::as_store("counts"));
            let closed = Suppressed::until_window_closes(BufferConfig::unbounded());
            windows_out(&counts.suppress(closed));
        }
        "stream-stream-join" => {
            let (left, right) = (stream(&builder, "in"), stream(&builder, "other"));
            // About one match a record at the default number of keys.
            let within = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(10));
            left.join(&right, |left, right| left + right, within)
                .to("out");
        }
        "table-table-join" => {
            let (left, right) = (table(&builder, "in"), table(&builder, "other"));
            let joined: KTable<String, i64> = left.join(&right, |left, right| left + right);
            joined.to_stream().to("out");
        }
        "foreign-key-join" => {
            let (left, right) = (table(&builder, "in"), table(&builder, "other"));
            let joined: KTable<String, i64> = left.join_on_foreign_key(
                &right,
                |_, value| format!("key-{value:08}"),
                |left, right| left + right,
            );
            joined.to_stream().to("out");
        }
        other => unreachable!("a case called {other}"),
    }
    builder.build_with(config).expect("is complete")
}

fn stream(builder: &StreamsBuilder, topic: &str) -> KStream<String, i64> {
    builder.stream(topic)
}

fn table(builder: &StreamsBuilder, topic: &str) -> KTable<String, i64> {
    builder.table(topic, Materialized::default())
}

fn grouped(builder: &StreamsBuilder) -> KGroupedStream<String, i64> {
    stream(builder, "in").group_by_key()
}

/// Changes of values and filters in turn.
fn chain(builder: &StreamsBuilder, hops: usize) {
    let mut stream = stream(builder, "in");
    for hop in 0..hops {
        stream = match hop % 2 {
            0 => stream.map_values(|value| value + 1),
            _ => stream.filter(|_, value| *value >= 0),
        };
    }
    stream.to("out");
}

/// The key without its window.
fn windows_out(counts: &KTable<Windowed<String>, i64>) {
    let stream =
        counts.to_stream_with_key(|key: &Windowed<String>, _: &Option<i64>| key.key.clone());
    stream.to("out");
}
