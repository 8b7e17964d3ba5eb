//! Chaos on real brokers: an application of several processes counts under exactly-once while it,
//! the brokers and the network between them suffer what a seed says. In the end Kafka's own
//! consumer must read exactly what a run without faults would have given.

pub mod application;
mod proxy;
mod schedule;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eddyline::admin::{Admin, IsolationLevel};
use eddyline::types::TopicPartition;

use self::application::{COUNTS, INPUT, Shown, WINDOWS};
use self::proxy::Proxy;
pub use self::schedule::Schedule;
use self::schedule::{Fault, Planned};
use crate::{Instance, KING_JAMES, KafkaBroker, scratch, words};

const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PARTITIONS: i32 = 4;
/// How long the application may take to catch up when nothing is done to it any more.
const PATIENCE: Duration = Duration::from_secs(240);
/// Lines written at a time, and how long after one another.
const LINES: usize = 10;
const LINES_EVERY: Duration = Duration::from_millis(200);

/// What is run.
pub struct Chaos {
    /// The program that runs an instance when it is given `instance BOOTSTRAP STATE_DIR`.
    pub program: PathBuf,
    /// The name of the folder of everything.
    pub name: String,
    /// Processes of the application.
    pub instances: usize,
    /// Brokers.
    pub nodes: u16,
    /// Copies of every task's stores, which others keep.
    pub standbys: u16,
    /// The version of transactions: 2 or 1.
    pub transaction_version: i16,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// How often what was done.
    pub injected: BTreeMap<&'static str, usize>,
    /// Records of the input, and of both outputs.
    pub records: BTreeMap<&'static str, usize>,
    /// What is not as it must be.
    pub violations: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.injected.values().sum();
        writeln!(f, "{faults} faults injected")?;
        for (kind, times) in &self.injected {
            writeln!(f, "{times:>8} {kind}")?;
        }
        for (topic, records) in &self.records {
            writeln!(f, "{records:>8} records in {topic}")?;
        }
        write!(f, "{} violations", self.violations.len())?;
        for violation in &self.violations {
            write!(f, "\n{violation}")?;
        }
        Ok(())
    }
}

impl Chaos {
    /// Does what the schedule says, waits until everything is counted, and looks at it.
    ///
    /// # Panics
    /// Where there is no Kafka to be started.
    pub fn run(&self, schedule: &Schedule) -> Report {
        // Transactions of the dead are looked for every second instead of every ten.
        let properties = format!(
            "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000\n\
             broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
             group.streams.num.standby.replicas={}\n",
            self.standbys
        );
        let broker = KafkaBroker::start_nodes(&self.name, self.nodes, &properties);
        let mut admin = broker.admin();
        if self.transaction_version < 2 {
            broker.set_transaction_version(self.transaction_version);
        }
        let topics = [INPUT, COUNTS, WINDOWS].map(|topic| (topic, PARTITIONS));
        admin.create_topics(&topics).expect("topics are created");
        let proxies = broker
            .proxied_ports()
            .map(|(port, upstream)| Proxy::start(port, upstream).expect("the port is free"));
        let world = World {
            chaos: self,
            proxies: proxies.collect(),
            instances: (0..self.instances).map(|_| Mutex::default()).collect(),
            violations: Mutex::default(),
            broker: Mutex::new(()),
            kafka: broker,
        };
        world.run(schedule)
    }
}

/// Everything that runs.
struct World<'a> {
    chaos: &'a Chaos,
    kafka: KafkaBroker,
    /// Held while a broker is down: how long one takes to start is up to the machine.
    broker: Mutex<()>,
    proxies: Vec<Proxy>,
    instances: Vec<Mutex<Option<Instance>>>,
    violations: Mutex<Vec<String>>,
}

impl World<'_> {
    fn run(self, schedule: &Schedule) -> Report {
        for instance in 0..self.instances.len() {
            // What an earlier run left belongs to another cluster.
            let _ = std::fs::remove_dir_all(self.state_dir(instance));
            *self.hold(instance) = Some(self.start(instance));
        }
        let mut injected = BTreeMap::new();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.feed(&over));
            let started = Instant::now();
            std::thread::scope(|faults| {
                for Planned { at_ms, fault } in &schedule.faults {
                    let at = Duration::from_millis(*at_ms);
                    std::thread::sleep(at.saturating_sub(started.elapsed()));
                    *injected.entry(fault.kind()).or_default() += 1;
                    faults.spawn(|| self.inject(fault));
                }
            });
            over.store(true, Relaxed);
        });
        self.wait_until_counted();
        for instance in 0..self.instances.len() {
            self.close(instance, &mut self.hold(instance));
        }
        let (records, wrong) = self.verify();
        let mut violations = self
            .violations
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        violations.extend(wrong);
        Report {
            injected,
            records,
            violations,
        }
    }

    fn violation(&self, violation: String) {
        let mut violations = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        violations.push(violation);
    }

    fn state_dir(&self, instance: usize) -> PathBuf {
        scratch(&format!("{}-state/{instance}", self.chaos.name))
    }

    /// Held for as long as a fault lasts: how long an instance takes to close is up to the network,
    /// and the next one of its state directory must not start before.
    fn hold(&self, instance: usize) -> MutexGuard<'_, Option<Instance>> {
        let instance = &self.instances[instance];
        instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, instance: usize) -> Instance {
        let log = scratch(&format!("{}-logs", self.chaos.name)).join(instance.to_string());
        let log = File::options().create(true).append(true).open(log);
        let state_dir = self.state_dir(instance).display().to_string();
        let arguments = ["instance", &self.kafka.proxied_bootstrap(), &state_dir];
        let log = log.expect("the target folder is writable");
        Instance::run_with_log(&self.chaos.program, &arguments, log)
    }

    /// Takes an instance that must be running.
    fn take(&self, instance: usize, held: &mut Option<Instance>) -> Option<Instance> {
        let mut taken = held.take()?;
        if let Some(status) = taken.ended() {
            self.violation(format!("instance {instance} ended by itself with {status}"));
            return None;
        }
        Some(taken)
    }

    fn close(&self, instance: usize, held: &mut Option<Instance>) {
        if let Some(mut taken) = self.take(instance, held) {
            let status = taken.end();
            // A close that meets a dead network is given up after its time, as it should be.
            if !status.success() && status.code() != Some(application::CLOSED_LATE) {
                self.violation(format!("instance {instance} closed with {status}"));
            }
        }
    }

    fn inject(&self, fault: &Fault) {
        let wait = |ms| std::thread::sleep(Duration::from_millis(ms));
        let down = || self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        match *fault {
            Fault::KillInstance { instance, down_ms } => {
                let mut held = self.hold(instance);
                if let Some(taken) = self.take(instance, &mut held) {
                    taken.kill();
                }
                wait(down_ms);
                *held = Some(self.start(instance));
            }
            Fault::CloseInstance { instance, down_ms } => {
                let mut held = self.hold(instance);
                self.close(instance, &mut held);
                wait(down_ms);
                *held = Some(self.start(instance));
            }
            Fault::PauseInstance { instance, ms } => {
                let paused = self.hold(instance);
                for (signal, ms) in [("STOP", ms), ("CONT", 0)] {
                    if let Some(paused) = &*paused {
                        paused.signal(signal);
                    }
                    wait(ms);
                }
            }
            Fault::KillBroker { node, down_ms } => {
                let _down = down();
                self.kafka.kill_node(node as u16);
                wait(down_ms);
                self.kafka.restart_node(node as u16);
            }
            Fault::PauseBroker { node, ms } => {
                let _down = down();
                self.kafka.pause_node(node as u16);
                wait(ms);
                self.kafka.resume_node(node as u16);
            }
            Fault::Cut => self.proxies.iter().for_each(Proxy::cut),
            Fault::Delay { by_ms, ms } => {
                self.proxies
                    .iter()
                    .for_each(|proxy| proxy.set_delay_ms(by_ms));
                wait(ms);
                self.proxies.iter().for_each(|proxy| proxy.set_delay_ms(0));
            }
            Fault::Stall { ms, cut } => {
                self.proxies
                    .iter()
                    .for_each(|proxy| proxy.set_stalled(true));
                wait(ms);
                if cut {
                    self.proxies.iter().for_each(Proxy::cut);
                }
                self.proxies
                    .iter()
                    .for_each(|proxy| proxy.set_stalled(false));
            }
        }
    }

    /// Writes lines until it is over, past the proxies. Those of a write that failed may be there
    /// or not: what is to be counted is what is in the topic.
    fn feed(&self, over: &AtomicBool) {
        let lines: Vec<&str> = KING_JAMES.lines().collect();
        let mut admin = None;
        for (number, lines) in lines.chunks(LINES).cycle().enumerate() {
            if over.load(Relaxed) {
                return;
            }
            let records = lines.iter().enumerate().map(|(at, line)| {
                let key = (number * LINES + at).to_string();
                (Some(key), Some(line))
            });
            let connect = || Admin::connect(&self.kafka.bootstrap(), Duration::from_secs(5));
            let written = admin
                .take()
                .map_or_else(connect, Ok)
                .and_then(|mut connected| {
                    connected.produce(INPUT, records)?;
                    Ok(connected)
                });
            match written {
                Ok(connected) => admin = Some(connected),
                Err(error) => eprintln!("lines from {number} are not known to be written: {error}"),
            }
            std::thread::sleep(LINES_EVERY);
        }
    }

    /// Waits until there is an output for every word; whether it is right is seen later.
    fn wait_until_counted(&self) {
        let mut admin = self.kafka.admin();
        admin.set_isolation_level(IsolationLevel::ReadCommitted);
        let started = Instant::now();
        loop {
            let mut wanted = 0;
            let read = each_record(&mut admin, INPUT, |line| wanted += words(line).len());
            let mut found = [0; 2];
            for (found, topic) in found.iter_mut().zip([COUNTS, WINDOWS]) {
                each_record(&mut admin, topic, |_| *found += 1);
            }
            if read && found.iter().all(|found| *found >= wanted) {
                return;
            }
            if started.elapsed() > PATIENCE {
                let late = format!("after {PATIENCE:?}, {found:?} of {wanted} words are counted");
                return self.violation(late);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Reads everything with Java's consumer; gives how much that is and what is wrong with it.
    fn verify(&self) -> (BTreeMap<&'static str, usize>, Vec<String>) {
        let input = self.consume(INPUT);
        let mut records = BTreeMap::from([(INPUT, input.len())]);
        let expected = application::expected(&input);
        let mut wrong = Vec::new();
        for topic in [COUNTS, WINDOWS] {
            let found = self.consume(topic);
            records.insert(topic, found.len());
            let Some(expected) = expected.get(topic) else {
                wrong.push(format!("{topic}: there was nothing to count"));
                continue;
            };
            wrong.extend(application::violations(topic, expected, &found));
        }
        (records, wrong)
    }

    /// What Kafka's console consumer reads of a topic, committed records only.
    fn consume(&self, topic: &str) -> Vec<Shown> {
        let options = [
            "--topic",
            topic,
            "--from-beginning",
            "--timeout-ms",
            "15000",
        ];
        let committed = ["--isolation-level", "read_committed"];
        let properties = ["print.key=true", "print.timestamp=true"];
        let formatter = properties.map(|property| ["--formatter-property", property]);
        let arguments = [&options[..], &committed, formatter.as_flattened()].concat();
        let shown = self.kafka.tool(CONSUMER, &arguments);
        shown.lines().filter_map(parse_shown).collect()
    }
}

/// `CreateTime:TIME, KEY, VALUE`, between tabs.
fn parse_shown(line: &str) -> Option<Shown> {
    let mut parts = line.strip_prefix("CreateTime:")?.splitn(3, '\t');
    Some(Shown {
        timestamp_ms: parts.next()?.parse().ok()?,
        key: parts.next()?.to_owned(),
        value: parts.next()?.to_owned(),
    })
}

/// Gives `see` the values of a topic; says whether all could be read.
fn each_record(admin: &mut Admin, topic: &str, mut see: impl FnMut(&str)) -> bool {
    (0..PARTITIONS).all(|partition| {
        let partition = TopicPartition::new(topic, partition);
        let read = admin.read(&partition, |record| {
            let value = record.value.as_deref().unwrap_or_default();
            see(std::str::from_utf8(value).unwrap_or_default());
        });
        read.is_ok()
    })
}
