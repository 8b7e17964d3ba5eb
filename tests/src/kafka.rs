//! Apache Kafka itself, by the script in `kafka/`.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eddyline::admin::{Admin, DescribedMember};

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

/// Whether tests run what takes many minutes too; says so where they do not.
pub fn full_tests_run(test: &str) -> bool {
    let full = std::env::var("EDDYLINE_FULL").is_ok_and(|value| value == "1");
    if !full {
        eprintln!("{test}: not in full, which takes minutes; EDDYLINE_FULL=1 runs all of it");
    }
    full
}

/// Waits until a streams group has so many members, each with tasks, and all of them the tasks they
/// are meant to have.
///
/// # Panics
/// Where that takes a minute.
pub fn wait_for_members(admin: &mut Admin, group: &str, members: usize) {
    let mut last = String::new();
    for _ in 0..600 {
        if let Ok(group) = admin.describe_streams_group(group) {
            let settled = group.group_state == "Stable" && group.members.len() == members;
            let has_its_tasks = |member: &DescribedMember| {
                member.assignment == member.target_assignment
                    && !member.assignment.active_tasks.is_empty()
            };
            if settled && group.members.iter().all(has_its_tasks) {
                return;
            }
            last = format!("{} with {} members", group.group_state, group.members.len());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{group} is {last}, not Stable with {members} members");
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

/// A running Kafka, with sessions of 3 s and heartbeats every 500 ms; stopped and removed when
/// dropped. Nodes are counted from 0.
pub struct KafkaBroker {
    folder: PathBuf,
    port: u16,
    nodes: u16,
}

/// Where a node listens, and says that it is found, beside its own port (`KAFKA_PROXIED`).
const PROXIED_PORT: u16 = 20;
const PROXY_PORT: u16 = 30;
const CONTROLLER_PORT: u16 = 50;

impl KafkaBroker {
    /// Starts one node on a free port, with `properties` beside those of the script.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(name: &str, properties: &str) -> Self {
        Self::start_with(name, |_| properties.to_owned())
    }

    /// The same with properties that depend on the port it is given. The five ports behind it are
    /// free for more listeners.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_with(name: &str, properties: impl FnOnce(u16) -> String) -> Self {
        Self::start_cluster(name, 1, properties)
    }

    /// Starts so many nodes, each a broker and a controller; of three, topics have replicas on
    /// each and two must be in sync. Every node can also be reached by
    /// [`KafkaBroker::proxied_ports`], once there is a proxy.
    ///
    /// # Panics
    /// Where they do not start.
    pub fn start_nodes(name: &str, nodes: u16, properties: &str) -> Self {
        Self::start_cluster(name, nodes, |_| properties.to_owned())
    }

    fn start_cluster(name: &str, nodes: u16, properties: impl FnOnce(u16) -> String) -> Self {
        let folder = crate::scratch(name);
        let _ = std::fs::remove_dir_all(&folder);
        let broker = Self {
            folder,
            port: free_port(nodes),
            nodes,
        };
        let properties = properties(broker.port);
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
            .env("KAFKA_NODES", self.nodes.to_string())
            .env("KAFKA_PROXIED", "1")
            .env("KAFKA_HEAP", "512m")
            .stdout(Stdio::null())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kafka-broker {command:?} works"
        );
    }

    fn node(&self, command: &str, node: u16) {
        self.script(&[command], &[&(node + 1).to_string()], "");
    }

    /// The port of its listener without TLS or login.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn bootstrap(&self) -> String {
        self.addresses(0)
    }

    /// Where clients find it that are to go through proxies.
    pub fn proxied_bootstrap(&self) -> String {
        self.addresses(PROXY_PORT)
    }

    fn addresses(&self, offset: u16) -> String {
        let address = |node| format!("127.0.0.1:{}", self.port + offset + node);
        let addresses: Vec<String> = (0..self.nodes).map(address).collect();
        addresses.join(",")
    }

    /// For every node, the port on which its proxy must listen and the one it must go to.
    pub fn proxied_ports(&self) -> impl Iterator<Item = (u16, u16)> {
        let ports = (0..self.nodes).map(|node| self.port + node);
        ports.map(|port| (port + PROXY_PORT, port + PROXIED_PORT))
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.script(&["kill"], &[], "");
    }

    /// Starts it again with its data.
    pub fn restart(&self) {
        self.script(&["start"], &[], "");
    }

    /// Kills a node with SIGKILL.
    pub fn kill_node(&self, node: u16) {
        self.node("kill", node);
    }

    /// Has a node stop as it should.
    pub fn stop_node(&self, node: u16) {
        self.node("stop", node);
    }

    /// Starts a node again with its data.
    pub fn restart_node(&self, node: u16) {
        self.node("restart", node);
    }

    /// Suspends a node.
    pub fn pause_node(&self, node: u16) {
        self.node("pause", node);
    }

    /// Lets a suspended node go on.
    pub fn resume_node(&self, node: u16) {
        self.node("resume", node);
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

    /// Has transactions of another version than its newest (feature `transaction.version`).
    ///
    /// # Panics
    /// Where the broker refuses that.
    pub fn set_transaction_version(&self, version: i16) {
        let feature = format!("transaction.version={version}");
        self.tool(
            "org.apache.kafka.tools.FeatureCommand",
            &["downgrade", "--feature", &feature],
        );
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

/// A free port which, with those that follow it, leaves room for all that the nodes listen on, and
/// for five more.
fn free_port(nodes: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("it has an address").port();
        drop(free);
        let offsets = [0, PROXIED_PORT, PROXY_PORT, CONTROLLER_PORT];
        let mut all = offsets
            .iter()
            .flat_map(|offset| (0..nodes.max(6)).map(move |node| offset + node));
        if port < 60_000 && all.all(|offset| is_free(port + offset)) {
            return port;
        }
    }
}
