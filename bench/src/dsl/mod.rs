//! Topologies of the DSL in memory, record by record, against the same topologies in Kafka Streams.
//!
//! Both sides drive one stream task without a broker. Ours reads record batches as they come from
//! one and writes them with the record collector of production. Java's is the task inside its
//! `TopologyTestDriver`, driven directly: the driver itself commits every record, which would be
//! most of what it does, and lets no cache work. Its records are objects already, and its producer
//! keeps what is sent in a list, so Java neither decodes nor encodes batches here.
//!
//! Both commit at the end of a round and every so many records, with the default cache of 10 MB.

mod task;
mod topologies;

use std::time::Duration;

use self::task::TaskCase;
use crate::allocations;
use crate::java_side::JavaSide;
use crate::rounds::{Case, Plan, print};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Different keys.
    #[arg(long, default_value_t = 10_000)]
    keys: u32,
    /// Measures longer, and Java at 100 thousand live keys.
    #[arg(long)]
    full: bool,
    /// Rounds of each case; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// About how long a round takes, in milliseconds [default: 300, with `--full` 1000].
    #[arg(long)]
    round_ms: Option<u64>,
    /// Leaves Java out.
    #[arg(long)]
    no_java: bool,
    /// Only cases whose name has this in it.
    #[arg(long, default_value = "")]
    case: String,
}

/// Measures every case and prints a line for each.
pub(crate) fn run(arguments: &Arguments) {
    let mut java = None;
    if !arguments.no_java {
        match JavaSide::start("DslBench") {
            Ok(side) => java = Some(side),
            Err(reason) => println!("{reason}: no ratios to Java."),
        }
    }
    let round_ms = if arguments.full { 1000 } else { 300 };
    let plan = Plan {
        rounds: arguments.rounds,
        round: Duration::from_millis(arguments.round_ms.unwrap_or(round_ms)),
    };
    for name in topologies::NAMES {
        if name.contains(&arguments.case) {
            measure(&plan, name, arguments.keys, &mut java);
        }
    }
    if "hops".contains(&arguments.case) {
        hops(&plan, arguments.keys, &mut java);
    }
    caches(&plan, &arguments.case);
    for name in ["windowed-count", "session-count"] {
        for keys in [1_000, 100_000, 1_000_000] {
            if format!("live {name}").contains(&arguments.case) {
                // Java's sessions would take hours to be filled.
                let java_keys_max = if arguments.full { 100_000 } else { 1_000 };
                let mut none = None;
                let java = if keys <= java_keys_max {
                    &mut java
                } else {
                    &mut none
                };
                measure(&plan, name, keys, java);
            }
        }
    }
}

/// What the cache costs and saves, changelog and output included.
fn caches(plan: &Plan, case: &str) {
    for name in ["count", "windowed-count", "session-count"] {
        for keys in [1_000, 100_000] {
            let label = format!("cache {name} {keys} keys");
            if !label.contains(case) {
                continue;
            }
            let mut cached = TaskCase::new(name, keys);
            let mut plain = TaskCase::uncached(name, keys);
            let [with, without] = plan.measure_both([&mut cached, &mut plain]);
            let (with_k, without_k) = (with / 1e3, without / 1e3);
            println!(
                "{label:<44} {with_k:>10.1} k/s  none {without_k:>9.1} k/s  ratio {:>8.2}",
                with / without
            );
        }
    }
}

fn measure(plan: &Plan, name: &str, keys: u32, java: &mut Option<JavaSide>) -> (f64, Option<f64>) {
    let mut case = TaskCase::new(name, keys);
    let is_open = java.as_mut().map(|java| java.open(name, keys));
    let mut none = None;
    let java = if is_open.flatten().is_some() {
        java
    } else {
        &mut none
    };
    let rates = plan.measure(&mut case, java);
    print(&format!("{name} {keys} keys"), rates);
    rates
}

/// What a hop costs: the difference between a long chain and none.
fn hops(plan: &Plan, keys: u32, java: &mut Option<JavaSide>) {
    let none = measure(plan, "hops-0", keys, java);
    let many = measure(plan, "hops-20", keys, java);
    let per_hop = |many: f64, none: f64| (1e9 / many - 1e9 / none) / 20.0;
    let ours = per_hop(many.0, none.0);
    let java = many.1.zip(none.1).map(|(many, none)| per_hop(many, none));
    let against = java.map_or_else(String::new, |java| format!("  Java {java:.1} ns"));
    println!("a hop: {ours:.1} ns{against}");
    let counted = allocations("hops-20", keys).zip(allocations("hops-0", keys));
    if let Some((many, none)) = counted {
        println!(
            "a record: {none:.2} allocations without a hop, {many:.2} with 20 hops: {:.3} a hop",
            (many - none) / 20.0
        );
    }
}

/// How often a record of this case allocates, where that is counted.
fn allocations(name: &str, keys: u32) -> Option<f64> {
    allocations::count()?;
    let mut case = TaskCase::new(name, keys);
    let (mut records, mut allocated) = (0, 0);
    for _ in 0..200 {
        case.prepare(500);
        let before = allocations::count()?;
        case.operate(500);
        records += 500;
        allocated += allocations::count()? - before;
    }
    Some(allocated as f64 / f64::from(records))
}
