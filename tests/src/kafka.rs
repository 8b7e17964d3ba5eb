//! Apache Kafka itself, by the script in `kafka/`.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eddyline::admin::Admin;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/kafka-broker");

/// Whether the tests that need Java run; says why where they do not.
///
/// # Panics
/// Where they are asked for and Java or Maven is missing.
pub fn java_tests_run(test: &str) -> bool {
    if std::env::var("EDDYLINE_JAVA_TESTS").is_ok_and(|value| value == "1") {
        for program in ["java", "mvn"] {
            let found = Command::new(program).arg("-version").output();
            assert!(
                found.is_ok(),
                "EDDYLINE_JAVA_TESTS=1 needs `{program}` on the path"
            );
        }
        return true;
    }
    eprintln!("{test}: skipped, it needs Java and Maven; EDDYLINE_JAVA_TESTS=1 runs it");
    false
}

/// Runs one of Kafka's own tools with `input`; gives what it printed.
///
/// # Panics
/// Where it fails.
pub fn kafka_tool(bootstrap: &str, class: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(SCRIPT)
        .arg("tool")
        .arg(crate::scratch("kafka-tools"))
        .arg(class)
        .args(["--bootstrap-server", bootstrap])
        .args(arguments)
        .env("KAFKA_HEAP", "256m")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the script runs");
    let mut stdin = child.stdin.take().expect("its input is piped");
    stdin
        .write_all(input.as_bytes())
        .expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{class} {arguments:?} failed: {text}{errors}"
    );
    text
}

/// A running Kafka of one node, with sessions of 3 s and heartbeats every 500 ms; stopped and
/// removed when dropped.
pub struct KafkaBroker {
    folder: PathBuf,
    port: u16,
}

impl KafkaBroker {
    /// Starts it on a free port, with `properties` beside those of the script.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(name: &str, properties: &str) -> Self {
        let folder = crate::scratch(name);
        let _ = std::fs::remove_dir_all(&folder);
        let broker = Self {
            folder,
            port: free_port(),
        };
        let sessions = "group.streams.session.timeout.ms=3000\n\
                        group.streams.heartbeat.interval.ms=500\n";
        broker.script(
            &["start"],
            &[&broker.port.to_string()],
            &format!("{sessions}{properties}"),
        );
        broker
    }

    fn script(&self, command: &[&str], arguments: &[&str], properties: &str) {
        let status = Command::new(SCRIPT)
            .args(command)
            .arg(&self.folder)
            .args(arguments)
            .env("KAFKA_EXTRA_PROPERTIES", properties)
            .env("KAFKA_HEAP", "512m")
            .stdout(Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kafka-broker {command:?} works"
        );
    }

    /// Where it listens.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.script(&["kill"], &[], "");
    }

    /// Starts it again with its data.
    pub fn restart(&self) {
        self.script(&["start"], &[], "");
    }

    /// A client, once the broker answers and its features are known.
    ///
    /// # Panics
    /// Where that takes a minute.
    pub fn admin(&self) -> Admin {
        let started = Instant::now();
        loop {
            let admin = Admin::connect(&self.bootstrap(), Duration::from_secs(30));
            if let Ok(admin) = admin
                && admin.require_streams_groups().is_ok()
            {
                return admin;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "no broker");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs one of Kafka's own tools against it.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        kafka_tool(&self.bootstrap(), class, arguments, "")
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        let kill = Command::new(SCRIPT).arg("kill").arg(&self.folder).status();
        // A folder that is left behind is removed by the next run.
        if kill.is_ok() {
            let _ = std::fs::remove_dir_all(Path::new(&self.folder));
        }
    }
}

/// A free port whose 50th successor, the controller's, is free too.
fn free_port() -> u16 {
    loop {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("it has an address").port();
        if port < 60_000 && TcpListener::bind(("127.0.0.1", port + 50)).is_ok() {
            return port;
        }
    }
}
