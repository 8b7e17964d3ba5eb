//! Kafka's own smoke test: the topology of `org.apache.kafka.streams.tests.SmokeTestClient`, and
//! the driver `StreamsSmokeTest`, which produces for it and judges what comes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eddyline::admin::Admin;
use eddyline::dsl::{
    BufferConfig, Consumed, Grouped, KTable, Materialized, Suppressed, TimeWindows,
};
use eddyline::processor::{Processor, ProcessorContext, ProcessorError, Record};
use eddyline::serde::DefaultSerde;
use eddyline::state::Stores;
use eddyline::window::Windowed;
use eddyline::{StreamsBuilder, Topology};

use crate::scratch;

/// The topics of the driver (`SmokeTestDriver.topics()`).
const TOPICS: [&str; 14] = [
    "data",
    "echo",
    "max",
    "min",
    "min-suppressed",
    "min-raw",
    "dif",
    "sum",
    "sws-raw",
    "sws-suppressed",
    "cnt",
    "avg",
    "tagg",
    "fk",
];
const PARTITIONS: i32 = 5;
/// The value after which there are none (`SmokeTestUtil.END`).
const END: i32 = i32::MAX;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Counts what a task was given, and tells when the task closes.
struct Tell {
    topic: &'static str,
    records: u64,
}

impl<V> Processor<String, V, (), ()> for Tell {
    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, (), ()>,
        _: Record<String, V>,
    ) -> Result<(), ProcessorError> {
        self.records += 1;
        Ok(())
    }

    fn close(&mut self) {
        let Self { topic, records } = self;
        eprintln!("processed {records} records from topic={topic}");
    }
}

fn is_flush(key: &str) -> bool {
    key == "flush"
}

/// Rows of windows, under the windowed key's text.
fn streamify(table: &KTable<Windowed<String>, i32>, topic: &str) {
    table
        .to_stream()
        .filter_not(|windowed, _| is_flush(&windowed.key))
        .map(|windowed, value| (windowed.to_string(), value))
        .to(topic);
}

/// Rows of windows, under their keys without the window.
fn unwindow<V: Clone + 'static>(table: &KTable<Windowed<String>, V>, topic: &str)
where
    Option<V>: DefaultSerde,
{
    table
        .to_stream_with_key(|windowed, _| windowed.key.clone())
        .filter_not(|key, _| is_flush(key))
        .to(topic);
}

/// A topic as a table whose changes are counted.
fn table<V: DefaultSerde + Clone + 'static>(
    builder: &StreamsBuilder,
    topic: &'static str,
    store: Materialized<String, V>,
) -> KTable<String, V> {
    let table = builder.table(topic, store);
    let tell = move || Tell { topic, records: 0 };
    table.to_stream().process::<(), ()>(tell, &[]);
    table
}

/// The topology of `SmokeTestClient`, node by node.
///
/// # Panics
/// Never: the topology is valid.
pub fn smoke_test_topology() -> Topology {
    let builder = StreamsBuilder::new();
    let serdes = || (String::default_serde(), i32::default_serde());
    let (keys, values) = serdes();
    let source = builder.stream_with("data", Consumed::with(keys, values));
    source.filter_not(|key, _| is_flush(key)).to("echo");
    let data = source.filter(|_, value| *value != END);
    let tell = || Tell {
        topic: "data",
        records: 0,
    };
    data.process::<(), ()>(tell, &[]);
    let (keys, values) = serdes();
    let grouped = data.group_by_key_with(Grouped::with(keys, values));

    let by_day = TimeWindows::of_size_and_grace(DAY, Duration::from_secs(60));
    let min = grouped.windowed_by(by_day).aggregate(
        || i32::MAX,
        |_, value, min: i32| value.min(min),
        Materialized::as_store("uwin-min").with_retention(Duration::from_secs(25 * 3600)),
    );
    let when_closed = || Suppressed::until_window_closes(BufferConfig::unbounded());
    streamify(&min, "min-raw");
    streamify(&min.suppress(when_closed()), "min-suppressed");
    unwindow(&min, "min");
    let second = Duration::from_secs(1);
    let small = TimeWindows::of_size_and_grace(2 * second, 30 * second).advance_by(second);
    let sums = grouped
        .windowed_by(small)
        .reduce(|sum: i32, value| sum + value, Materialized::default());
    streamify(&sums, "sws-raw");
    streamify(&sums.suppress(when_closed()), "sws-suppressed");
    let min = table(&builder, "min", Materialized::as_store("minStoreName"));

    let two_days = || TimeWindows::of_size_with_no_grace(2 * DAY);
    let max = grouped.windowed_by(two_days()).aggregate(
        || i32::MIN,
        |_, value, max: i32| value.max(max),
        Materialized::as_store("uwin-max"),
    );
    unwindow(&max, "max");
    let max = table(&builder, "max", Materialized::as_store("maxStoreName"));
    let sum = grouped.windowed_by(two_days()).aggregate(
        || 0,
        |_, value, sum: i64| i64::from(value) + sum,
        Materialized::as_store("win-sum"),
    );
    unwindow(&sum, "sum");
    let sum = table(&builder, "sum", Materialized::default());
    let count = grouped.windowed_by(two_days());
    let count = count.count(Materialized::as_store("uwin-cnt"));
    unwindow(&count, "cnt");
    let count = table(&builder, "cnt", Materialized::as_store("cntStoreName"));

    max.join(&min, |max: i32, min: i32| max - min)
        .to_stream()
        .filter_not(|key, _| is_flush(key))
        .to("dif");
    sum.join(&count, |sum: i64, count: i64| sum as f64 / count as f64)
        .to_stream()
        .filter_not(|key, _| is_flush(key))
        .to("avg");
    count
        .group_by(
            |_, count| (count.to_string(), 1),
            Grouped::with(String::default_serde(), i64::default_serde()),
        )
        .aggregate(
            || 0,
            |_, value, sum: i64| sum + value,
            |_, value, sum: i64| sum - value,
            Materialized::as_key_value_store(Stores::in_memory_key_value_store("cntByCnt")),
        )
        .to_stream()
        .to("tagg");
    builder.build().expect("a valid topology")
}

/// `StreamsSmokeTest run`: it produces for 90 seconds, reads the results and says what it thinks.
pub struct SmokeTestDriver {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl SmokeTestDriver {
    /// Makes its topics and starts it.
    ///
    /// # Panics
    /// Where Maven has not its jars or Java does not run.
    pub fn start(bootstrap: &str, admin: &mut Admin) -> Self {
        let topics = TOPICS.map(|topic| (topic, PARTITIONS));
        admin.create_topics(&topics).expect("topics are created");
        let jars = jars();
        let properties = scratch("smoke-test-driver").join("driver.properties");
        let text = format!("bootstrap.servers={bootstrap}\nprocessing.guarantee=exactly_once_v2\n");
        std::fs::write(&properties, text).expect("the target folder is writable");
        let mut child = Command::new("java")
            .args(["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"])
            .arg("-cp")
            .arg(jars.join("*"))
            .arg("org.apache.kafka.streams.tests.StreamsSmokeTest")
            .arg(&properties)
            .arg("run")
            .stdout(Stdio::piped())
            .spawn()
            .expect("java runs");
        let output = child.stdout.take().expect("its output is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits until it has produced this many records.
    ///
    /// # Panics
    /// Where it ends before, or says nothing for a minute.
    pub fn wait_for_records(&mut self, records: u32) {
        let wanted = format!(" {records} records produced");
        while !self.said.last().is_some_and(|line| line.ends_with(&wanted)) {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            self.said.push(line.expect("the driver goes on"));
        }
    }

    /// Waits for its verdict.
    ///
    /// # Panics
    /// Where that is not SUCCESS, with all that it said.
    pub fn expect_success(mut self) {
        // It ends its output when it ends; it waits for six minutes at most.
        self.said.extend(self.lines.iter());
        let status = self.child.wait().expect("it ends");
        let said = self.said.join("\n");
        assert!(status.success(), "the driver ended with {status}: {said}");
        for verdict in ["ALL-RECORDS-DELIVERED", "SUCCESS"] {
            assert!(self.said.iter().any(|line| line == verdict), "{said}");
        }
    }
}

impl Drop for SmokeTestDriver {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the driver's jars, from Maven Central.
fn jars() -> std::path::PathBuf {
    let jars = scratch("smoke-test-jars");
    let status = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/smoke/pom.xml"))
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .stdout(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "Maven copies the jars"
    );
    jars
}
