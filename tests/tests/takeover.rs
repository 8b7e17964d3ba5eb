//! Kafka Streams and Eddyline with the same topology and `application.id`: one goes on where the
//! other stopped, and both are members of one group through scaling and kills.
//!
//! Runs with `EDDYLINE_JAVA_TESTS=1`, one topology a guarantee; with `EDDYLINE_FULL=1` all of them.

use std::time::Duration;

use eddyline::admin::Admin;
use eddyline_tests::{
    Instance, JavaApplication, KafkaBroker, Reflected, SCENARIOS, Scenario, Takeover,
    full_tests_run, java_tests_run, scratch, wait_for_members,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_takeover-instance");
const JAVA_SOURCE: &str = "tests/kafka/java/TakeoverApp.java";
/// Kafka's own defaults would add ten seconds of waiting to every kill.
const PROPERTIES: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// Inputs written while something happens: a second's.
const SLICE: usize = 200;
const HALF: usize = 3 * SLICE;
const PATIENCE: Duration = Duration::from_secs(90);

const AT_LEAST_ONCE: &str = "at_least_once";
const EXACTLY_ONCE: &str = "exactly_once_v2";
/// The guarantees, each with the topology that stands for all where time is short: rows that are
/// the same however often an input was processed, and rows that count.
const GUARANTEES: [(&str, &str); 2] = [
    (AT_LEAST_ONCE, "foreign-key-join"),
    (EXACTLY_ONCE, "word-count"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    Eddyline,
    Java,
}

enum Member {
    Eddyline(Instance),
    Java(JavaApplication),
}

impl Member {
    fn close(self) {
        match self {
            Self::Eddyline(instance) => instance.close(),
            Self::Java(application) => application.close(),
        }
    }

    fn kill(self) {
        match self {
            Self::Eddyline(instance) => instance.kill(),
            Self::Java(application) => application.kill(),
        }
    }
}

/// One scenario under one guarantee.
struct Run<'a> {
    broker: &'a KafkaBroker,
    admin: Admin,
    takeover: Takeover,
    scenario: &'static Scenario,
    guarantee: &'static str,
    fed: usize,
}

impl<'a> Run<'a> {
    fn new(
        broker: &'a KafkaBroker,
        scenario: &'static Scenario,
        guarantee: &'static str,
        inputs: usize,
    ) -> Self {
        let application_id = format!("{}-{guarantee}", scenario.name);
        eprintln!("=== {application_id}");
        let mut admin = broker.admin();
        let takeover = Takeover::create(&mut admin, scenario, &application_id, inputs);
        // What an earlier run left belongs to another broker.
        let _ = std::fs::remove_dir_all(scratch("takeover").join(application_id));
        Self {
            broker,
            admin,
            takeover,
            scenario,
            guarantee,
            fed: 0,
        }
    }

    /// Starts a member; one of Eddyline goes on with the state in the folder of that name.
    fn start(&self, library: Library, name: &str) -> Member {
        let (bootstrap, id) = (self.broker.bootstrap(), &self.takeover.application_id);
        let state = format!("takeover/{id}/{name}");
        let arguments = [&bootstrap, id, self.scenario.name, self.guarantee];
        match library {
            Library::Java => Member::Java(JavaApplication::start(JAVA_SOURCE, &arguments, &state)),
            Library::Eddyline => {
                let state = scratch(&state).display().to_string();
                let arguments = [&arguments[..], &[state.as_str()]].concat();
                Member::Eddyline(Instance::run(PROGRAM, &arguments))
            }
        }
    }

    fn wait_for_members(&mut self, members: usize) {
        wait_for_members(&mut self.admin, &self.takeover.application_id, members);
    }

    /// Does something in the middle of inputs being written.
    fn amid<T>(&mut self, inputs: usize, action: impl FnOnce(&Self) -> T) -> T {
        let (broker, takeover, fed) = (self.broker, &self.takeover, self.fed);
        let done = std::thread::scope(|scope| {
            let feeding = scope.spawn(move || takeover.feed(&mut broker.admin(), fed, inputs));
            std::thread::sleep(Duration::from_millis(400));
            let done = action(self);
            feeding.join().expect("the inputs are written");
            done
        });
        self.fed += inputs;
        done
    }

    fn wait_for_results(&mut self, how: Reflected) {
        let (takeover, admin) = (&self.takeover, &mut self.admin);
        takeover.wait_for_results(admin, self.fed, how, PATIENCE);
    }

    /// Nothing more comes of the inputs when the last member has closed; and Kafka's own consumer
    /// sees the same.
    fn close(mut self, last: Member, how: Reflected) {
        last.close();
        let checked = self.takeover.check(&mut self.admin, self.fed, how);
        let id = &self.takeover.application_id;
        checked.unwrap_or_else(|difference| panic!("{id}: {difference}"));
        let mut lines = self.takeover.lines(&mut self.admin);
        let mut consumed = self.consume(lines.len());
        lines.sort_unstable();
        consumed.sort_unstable();
        let mut pairs = lines.iter().zip(&consumed);
        let different = pairs.find(|(line, consumed)| line != consumed);
        assert_eq!(different, None, "{id}");
        assert_eq!(lines.len(), consumed.len(), "{id}");
    }

    fn consume(&self, records: usize) -> Vec<String> {
        let records = records.to_string();
        let arguments = [
            &["--topic", self.takeover.output(), "--from-beginning"][..],
            &["--isolation-level", "read_committed"],
            &["--max-messages", &records, "--timeout-ms", "60000"],
            &["--formatter-property", "print.key=true"],
        ];
        let text = self.broker.tool(CONSUMER, &arguments.concat());
        text.lines().map(str::to_owned).collect()
    }
}

/// Runs a test for every guarantee and topology that is asked for, on one broker.
fn each(test: &str, inputs: usize, run: impl Fn(Run<'_>)) {
    if !java_tests_run(test) {
        return;
    }
    let full = full_tests_run(test);
    let broker = KafkaBroker::start(&format!("kafka-{}", test.replace('_', "-")), PROPERTIES);
    for (guarantee, only) in GUARANTEES {
        let is_asked_for = |scenario: &&Scenario| full || scenario.name == only;
        for scenario in SCENARIOS.iter().filter(is_asked_for) {
            run(Run::new(&broker, scenario, guarantee, inputs));
        }
    }
}

/// The first library works off half of the inputs and closes with some under way; the second one
/// goes on from its offsets and changelogs. Whatever the guarantee, each input is reflected once.
fn hand_over(mut run: Run<'_>, first: Library, second: Library) {
    let before = run.start(first, "before");
    run.amid(HALF, |_| ());
    run.wait_for_results(Reflected::Once);
    run.amid(SLICE, |_| before.close());
    let after = run.start(second, "after");
    run.amid(HALF - SLICE, |_| ());
    run.wait_for_results(Reflected::Once);
    run.close(after, Reflected::Once);
}

#[test]
fn eddyline_goes_on_where_java_stopped() {
    each("eddyline_goes_on_where_java_stopped", 2 * HALF, |run| {
        hand_over(run, Library::Java, Library::Eddyline);
    });
}

#[test]
fn java_goes_on_where_eddyline_stopped() {
    each("java_goes_on_where_eddyline_stopped", 2 * HALF, |run| {
        hand_over(run, Library::Eddyline, Library::Java);
    });
}

/// Members of both libraries come, close and are killed while inputs are written; every time the
/// group settles with tasks for each of its members.
#[test]
fn both_share_a_group_through_scaling_and_kills() {
    use Library::{Eddyline, Java};
    each(
        "both_share_a_group_through_scaling_and_kills",
        9 * SLICE,
        |mut run| {
            let how = match run.guarantee {
                EXACTLY_ONCE => Reflected::Once,
                _ => Reflected::OnceOrMore,
            };
            let eddyline = run.start(Eddyline, "eddyline-1");
            let java = run.start(Java, "java-1");
            run.wait_for_members(2);
            let other = run.amid(SLICE, |run| run.start(Eddyline, "eddyline-2"));
            run.wait_for_members(3);
            run.amid(SLICE, |_| java.kill());
            run.wait_for_members(2);
            let java = run.amid(SLICE, |run| run.start(Java, "java-2"));
            run.wait_for_members(3);
            run.amid(SLICE, |_| eddyline.kill());
            run.wait_for_members(2);
            run.amid(SLICE, |_| other.close());
            run.wait_for_members(1);
            // With what the killed one has on its disk.
            let eddyline = run.amid(SLICE, |run| run.start(Eddyline, "eddyline-1"));
            run.wait_for_members(2);
            let other = run.amid(SLICE, |run| run.start(Java, "java-3"));
            run.wait_for_members(3);
            run.amid(SLICE, |_| java.close());
            run.wait_for_members(2);
            run.amid(SLICE, |_| other.kill());
            run.wait_for_members(1);
            run.wait_for_results(how);
            run.close(eddyline, how);
        },
    );
}
