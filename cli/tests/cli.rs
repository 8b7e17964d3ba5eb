//! The command as a user meets it: what it prints and how it ends, also where things are wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use eddyline_sim::serve::{EmbeddedBroker, EmbeddedBrokerConfig};
use eddyline_tests::{KafkaBroker, java_tests_run, scratch};

fn eddyline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddyline"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    eddyline(arguments).output().expect("the command runs")
}

/// The one sentence of a command that must fail.
fn failure(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?} did not fail");
    let text = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

/// A port where nobody listens.
fn free_port() -> u16 {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    free.local_addr().expect("it has an address").port()
}

#[test]
fn the_cluster_may_be_told_by_a_properties_file() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("it serves");
    let folder = scratch("cli-properties");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("client.properties");
    let file = path.to_str().expect("text");
    let describe = ["groups", "describe", "nobody", "--config", file];
    let write = |more: &str| {
        let servers = broker.bootstrap_servers();
        std::fs::write(&path, format!("bootstrap.servers = {servers}\n{more}")).expect("written");
    };
    write("");
    assert!(failure(&describe).contains("nobody"));
    write("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n");
    assert!(failure(&describe).contains("sasl.jaas.config"));
    write("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=/no/ca.pem\n");
    assert!(failure(&describe).contains("/no/ca.pem"));
    write("no.such.key=1\n");
    let warned = run(&describe);
    let text = String::from_utf8(warned.stderr).expect("errors are text");
    assert!(
        text.contains("no.such.key") && text.contains("nobody"),
        "{text}"
    );
    std::fs::remove_file(&path).expect("it was there");
    assert!(failure(&describe).contains("client.properties"));
    assert!(failure(&describe[..3]).contains("--bootstrap"));
}

#[test]
fn the_demo_counts_a_text_of_standard_input() {
    let mut child = eddyline(&[
        "demo",
        "word-count",
        "-",
        "--partitions",
        "3",
        "--threads",
        "2",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .expect("the demo runs");
    let mut stdin = child.stdin.take().expect("its input is piped");
    stdin
        .write_all("To be, or not to be:\nthat is the question.\n\nTo die, to sleep\n".as_bytes())
        .expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("   1. to                  4\n   2. be                  2\n"),
        "{text}"
    );
    assert!(
        text.contains("4 lines, 14 words, 10 different ones"),
        "{text}"
    );
    assert!(
        text.contains("   Sub-topology: 0\n    Source: KSTREAM-SOURCE-0000000000"),
        "{text}"
    );
}

#[test]
fn the_demo_takes_an_empty_text() {
    let mut child = eddyline(&["demo", "word-count", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo runs");
    let mut text = String::new();
    let mut stdout = child.stdout.take().expect("its output is piped");
    stdout.read_to_string(&mut text).expect("text");
    assert!(child.wait().expect("it ends").success());
    assert!(text.contains("0 lines, 0 words"), "{text}");
}

#[test]
fn missing_files_and_silent_ports_are_one_sentence() {
    let missing = failure(&["demo", "word-count", "no/such/file"]);
    assert!(
        missing.starts_with("eddyline: cannot read no/such/file: "),
        "{missing}"
    );
    let nobody = format!("127.0.0.1:{}", free_port());
    for command in [
        &["demo", "word-count", "--bootstrap", &nobody][..],
        &["groups", "describe", "words", "--bootstrap", &nobody],
    ] {
        let unreachable = failure(command);
        assert!(
            unreachable.contains("no broker could be reached") && unreachable.contains(&nobody),
            "{unreachable}"
        );
    }
    let address = failure(&["groups", "describe", "words", "--bootstrap", "localhost"]);
    assert!(address.contains("HOST:PORT"), "{address}");
}

#[test]
fn unknown_flags_name_what_there_is() {
    let output = run(&["demo", "word-count", "--no-such-flag"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("unexpected argument '--no-such-flag'"),
        "{text}"
    );
    assert!(text.contains("Usage: eddyline demo word-count"), "{text}");
    for arguments in [
        &["--help"][..],
        &["demo", "word-count", "--help"],
        &["broker", "--help"],
    ] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: eddyline"));
    }
    assert!(
        !run(&["demo", "word-count", "--threads", "0"])
            .status
            .success()
    );
    assert!(
        !run(&["demo", "word-count", "--partitions", "0"])
            .status
            .success()
    );
}

#[test]
fn a_broker_without_streams_groups_is_one_sentence() {
    let mut config = EmbeddedBrokerConfig::default();
    config.broker.streams_version = 0;
    let broker = EmbeddedBroker::start(config).expect("a free port");
    let bootstrap = broker.bootstrap_servers();
    for command in [
        &["demo", "word-count", "--bootstrap", &bootstrap][..],
        &["groups", "describe", "words", "--bootstrap", &bootstrap],
    ] {
        let text = failure(command);
        assert!(text.contains("streams.version"), "{text}");
    }
}

#[test]
fn a_group_that_does_not_exist_is_one_sentence() {
    let broker = EmbeddedBroker::start(EmbeddedBrokerConfig::default()).expect("a free port");
    let bootstrap = broker.bootstrap_servers();
    let text = failure(&["groups", "describe", "nobody", "--bootstrap", &bootstrap]);
    assert!(text.contains("nobody"), "{text}");
}

/// `eddyline broker` as a process; killed when dropped.
struct Served(Child, BufReader<ChildStdout>);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_broker_command_serves_the_demo() {
    let port = free_port().to_string();
    let mut child = eddyline(&["broker", "--port", &port])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the broker starts");
    let output = child.stdout.take().expect("its output is piped");
    let mut served = Served(child, BufReader::new(output));
    let mut line = String::new();
    served.1.read_line(&mut line).expect("it says where it is");
    let bootstrap = format!("127.0.0.1:{port}");
    assert!(line.contains(&bootstrap), "{line}");
    let taken = failure(&["broker", "--port", &port]);
    assert!(
        taken.contains(&format!("cannot serve on port {port}")),
        "{taken}"
    );

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let demo = run(&["demo", "word-count", file, "--bootstrap", &bootstrap]);
    let text = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{text}");
    let topic = text
        .split_whitespace()
        .find(|word| word.ends_with("-lines"));
    let group = topic.and_then(|topic| topic.strip_suffix("-lines"));
    let group = group.expect("the demo names its topics");
    let described = run(&["groups", "describe", group, "--bootstrap", &bootstrap]);
    let text = String::from_utf8_lossy(&described.stdout);
    assert!(
        text.starts_with(&format!("group {group}: Empty,")),
        "{text}"
    );
}

#[test]
fn the_demo_counts_right_on_kafka() {
    if !java_tests_run("the_demo_counts_right_on_kafka") {
        return;
    }
    let broker = KafkaBroker::start("kafka-demo", "");
    drop(broker.admin());
    let bootstrap = broker.bootstrap();
    for more in [&[][..], &["--partitions", "5", "--threads", "3"]] {
        let command = [&["demo", "word-count", "--bootstrap", &bootstrap][..], more].concat();
        let output = run(&command);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("   1. the             63919\n"), "{text}");
    }
}

#[test]
fn simulations_run_and_replay_from_the_command_line() {
    let output = run(&["sim", "run", "--seeds", "1..4"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.starts_with("3 seeds in "), "{text}");
    let replayed = [run(&["sim", "replay", "2"]), run(&["sim", "replay", "2"])];
    assert_eq!(replayed[0].stdout, replayed[1].stdout);
    let text = String::from_utf8_lossy(&replayed[0].stdout);
    let hash = format!("trace {:016x}, ", eddyline_sim::run_seed(2).trace_hash);
    assert!(text.lines().any(|line| line.starts_with(&hash)), "{hash}");
    assert!(!run(&["sim", "run", "--seeds", "4..4"]).status.success());
}
