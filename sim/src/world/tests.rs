//! Seeds, and canaries: every oracle must notice what it is there for.

use std::collections::BTreeMap;

use eddyline_core::dsl::StreamsBuilder;
use eddyline_core::mutation::Mutation;
use eddyline_core::task::TaskState;
use eddyline_core::types::{Headers, TaskId};
use eddyline_core::wire::RecordBatchBuilder;

use super::applications::Application;
use super::engine::Blockade;
use super::network::End;
use super::schedule::{BIG_CACHE_BYTES, Fault};
use super::workload::Defects;
use super::*;
use crate::broker::{Task, Tasks};

#[test]
fn seeds_hold_every_oracle_and_are_the_same_twice() {
    let mut hashes = BTreeSet::new();
    for seed in 0..25 {
        let (one, two) = (run_seed(seed), run_seed(seed));
        assert!(one.violations.is_empty(), "seed {seed}: {one}");
        assert_eq!(one.trace_hash, two.trace_hash, "seed {seed}");
        assert_eq!(one.events, two.events, "seed {seed}");
        hashes.insert(one.trace_hash);
    }
    assert_eq!(hashes.len(), 25, "every seed is another run");
}

fn word_count(seed: u64) -> SeedRun {
    let mut run = SeedRun::new(seed);
    run.application = Some(Application::WordCount);
    run
}

/// The run that a seed was before half of them were under exactly-once.
fn run_at_least_once(seed: u64) -> Outcome {
    let run = word_count(seed);
    run.guarantee(ProcessingGuarantee::AtLeastOnce).run()
}

/// What seeds found first. A seed stays the same run until what it draws changes.
#[test]
fn seeds_that_found_something_pass() {
    let found = [
        (6, "a member without tasks never ran"),
        (218, "records processed after the last commit of a close"),
        (
            297,
            "a leader that is not in the cluster was waited for in vain",
        ),
        (
            1021,
            "the answer to an old heartbeat was taken for that to a join",
        ),
        (
            1493,
            "a second batch was written before the first of a producer",
        ),
        (
            36_917,
            "what an expelled member had not sent yet was written after its return",
        ),
        (
            3_482_445,
            "a heartbeat of a broken connection gave away a task that was taken since",
        ),
        (
            3_491_540,
            "a member whose acknowledgement went unanswered was fenced",
        ),
        (
            3_491_912,
            "an acknowledgement left out tasks that the member was about to take",
        ),
        (
            3_584_866,
            "a heartbeat of a broken connection was told tasks, and nobody ran them",
        ),
    ];
    for (seed, what) in found {
        let outcome = run_at_least_once(seed);
        assert!(outcome.violations.is_empty(), "{seed}, {what}: {outcome}");
    }
}

#[test]
fn a_replay_is_the_same_run_and_says_what_happens() {
    let mut text = Vec::new();
    let outcome = replay(4, &mut text).expect("memory can be written");
    assert_eq!(outcome.trace_hash, run_seed(4).trace_hash);
    let text = String::from_utf8(text).expect("text");
    for part in [
        "Schedule",
        "settled",
        "TaskStateChanged",
        "request",
        "sends",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(replay(4, &mut Full).is_err());
}

#[test]
fn every_kind_of_fault_is_drawn() {
    let kind = |fault: &Fault| {
        let text = format!("{fault:?}");
        let end = text.find(|c: char| !c.is_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let schedules = (0..200).map(|seed| Schedule::draw(SeedTree::new(seed)));
    let kinds: BTreeSet<String> = schedules
        .flat_map(|schedule| schedule.faults)
        .map(|scheduled| kind(&scheduled.fault))
        .collect();
    assert_eq!(kinds.len(), 17, "{kinds:?}");
}

/// Nothing of it is needed again: the counts are right all the same.
#[test]
fn repartition_topics_are_purged_of_what_is_committed() {
    for seed in 0..10 {
        let often = |simulation: &mut Simulation| {
            let config = simulation.config.clone();
            let config = config.set("repartition.purge.interval.ms", 50);
            simulation.config = config.expect("an interval");
        };
        let (outcome, _) = word_count(seed).run_with(often, None);
        assert!(outcome.violations.is_empty(), "seed {seed}: {outcome}");
        let purged = |topic: &str| {
            let logs = (0..).map_while(|partition| outcome.cluster.log(topic, partition));
            logs.filter(|log| log.start_offset() > 0).count()
        };
        assert!(purged(workload::REPARTITION) > 0, "seed {seed}");
        assert_eq!(purged(workload::LINES) + purged(workload::COUNTS), 0);
    }
}

/// Known bugs that are put back die in these seeds; `eddyline sim mutants` finds others when what a
/// seed draws changes.
#[test]
fn known_bugs_are_noticed() {
    let within = [
        (Mutation::AbortedIsRead, 10..20),
        (Mutation::CommitBeforeWritten, 0..10),
        (Mutation::DirtyCommit, 60..70),
        (Mutation::FencedWrites, 105..110),
        (Mutation::LateEnd, 257..260),
        (Mutation::LostIsCommitted, 112..115),
        (Mutation::OffsetsOutside, 0..10),
        (Mutation::OffsetsUnstable, 0..10),
        (Mutation::PurgedAhead, 20..25),
        (Mutation::RestoreToStable, 0..10),
        (Mutation::RevokedAlone, 0..20),
        (Mutation::StoredAhead, 0..20),
        (Mutation::StoredBeforeCommit, 0..10),
        (Mutation::StoredStale, 2180..2181),
    ];
    for (mutation, mut seeds) in within {
        let is_noticed = |seed| {
            let outcome = SeedRun::new(seed).mutation(mutation).run();
            !outcome.violations.is_empty()
        };
        assert!(seeds.any(is_noticed), "{mutation:?}");
    }
}

/// The names of the oracles that notice.
fn noticed(
    seed: u64,
    defects: Defects,
    change: impl FnOnce(&mut Simulation),
) -> BTreeSet<&'static str> {
    let mut run = word_count(seed);
    run.defects = defects;
    let (outcome, _) = run.run_with(change, None);
    let oracles = outcome.violations.iter();
    oracles.map(|violation| violation.oracle).collect()
}

/// Nothing else goes wrong, so that nothing excuses what is wrong.
fn calm(simulation: &mut Simulation) {
    simulation.has_faults = false;
}

fn cache(simulation: &mut Simulation, bytes: u64) {
    let config = simulation.config.clone();
    let config = config.set("statestore.cache.max.bytes", bytes);
    simulation.config = config.expect("a size");
}

#[test]
fn canary_counts() {
    assert!(noticed(1, Defects::default(), calm).is_empty());
    let dropped = Defects {
        dropped_word: Some("word0"),
        ..Defects::default()
    };
    assert_eq!(noticed(1, dropped, |_| {}), ["counts"].into());
    let doubled = Defects {
        doubled_word: Some("word0"),
        ..Defects::default()
    };
    assert_eq!(noticed(1, doubled, calm), ["counts"].into());
}

/// An interpreter notices what is not done, under exactly-once at once and else in the end; without
/// faults there is nothing to notice.
#[test]
fn canary_results() {
    let guarantees = [
        (ProcessingGuarantee::ExactlyOnceV2, "interpreter"),
        (ProcessingGuarantee::AtLeastOnce, "results"),
    ];
    for application in Application::OTHERS {
        for (guarantee, oracle) in guarantees {
            // The word must come of something: not in every seed it is in a pair.
            let noticed = (1..6).find_map(|seed| {
                let mut run = SeedRun::new(seed).guarantee(guarantee);
                run.application = Some(application);
                let (outcome, _) = run.run_with(calm, None);
                assert!(outcome.violations.is_empty(), "{application:?}: {outcome}");
                run.defects.dropped_word = Some("word0");
                let (outcome, _) = run.run_with(calm, None);
                outcome.violations.first().map(|found| found.oracle)
            });
            assert_eq!(noticed, Some(oracle), "{application:?}");
        }
    }
}

#[test]
fn every_application_is_drawn() {
    let drawn = (0..40).map(|seed| Application::draw(SeedTree::new(seed)));
    let drawn: Vec<Application> = drawn.collect();
    let mut all = Application::OTHERS
        .into_iter()
        .chain([Application::WordCount]);
    assert!(all.all(|application| drawn.contains(&application)));
}

#[test]
fn canary_dedup() {
    let twice = Defects {
        forwards_twice: true,
        ..Defects::default()
    };
    for bytes in [BIG_CACHE_BYTES, 0] {
        let oracles = noticed(1, twice, |simulation| {
            calm(simulation);
            cache(simulation, bytes);
        });
        assert_eq!(oracles, ["dedup"].into(), "cache of {bytes} bytes");
    }
}

#[test]
fn canary_reads() {
    let forgets = Defects {
        forgets_a_write: true,
        ..Defects::default()
    };
    assert_eq!(noticed(1, forgets, calm), ["reads"].into());
}

#[test]
fn canary_panic() {
    let panics = Defects {
        panics: true,
        ..Defects::default()
    };
    assert_eq!(noticed(1, panics, |_| {}), ["panic"].into());
}

#[test]
fn canary_fold() {
    let oracles = noticed(1, Defects::default(), |simulation| {
        calm(simulation);
        // One member: nobody takes the task over and restores what is added.
        simulation.schedule.starts_ms = vec![0];
        simulation.schedule.threads = 1;
        // What lies on a disk is not that changelog either, and is looked at before.
        let config = simulation
            .config
            .clone()
            .set("default.dsl.store", "in_memory");
        simulation.config = config.expect("a type of stores");
        simulation.sabotage = Some(|world| {
            let log = world.broker.log("sim-counts-changelog", 0);
            let end = log.map_or(0, |log| log.end_offset());
            // Once something is there the task has restored what came before.
            if end > 0 {
                let mut batch = RecordBatchBuilder::new();
                batch.append(1, Some(b"nobody"), Some(&[0; 8]), &Headers::new());
                let now = world.broker_clock();
                world
                    .broker
                    .append(now, "sim-counts-changelog", 0, &batch.seal());
            }
        });
    });
    // Nor did whoever wrote it ever run the task.
    assert_eq!(oracles, ["fold", "standby"].into());
}

/// Two instances and a copy of every store.
fn copied(simulation: &mut Simulation) {
    calm(simulation);
    simulation.schedule.starts_ms = vec![0, 100];
    simulation.schedule.threads = 1;
    simulation.schedule.group.num_standby_replicas = 1;
}

#[test]
fn canary_fold_of_standbys() {
    assert!(noticed(1, Defects::default(), copied).is_empty());
    let oracles = noticed(1, Defects::default(), |simulation| {
        copied(simulation);
        // What is cleared on a disk is found there before.
        let config = simulation.config.clone();
        let config = config.set("default.dsl.store", "in_memory");
        simulation.config = config.expect("a type of stores");
        simulation.sabotage = Some(|world| {
            for thread in world.threads.values_mut() {
                let tasks: Vec<TaskId> = thread.runner.standbys().map(|s| s.id).collect();
                for task in tasks {
                    let standby = thread.runner.standby_mut(task);
                    let store = standby.and_then(|standby| standby.graph_mut().store("counts"));
                    if let Some(store) = store {
                        store.clear().expect("rows are dropped");
                    }
                }
            }
        });
    });
    assert_eq!(oracles, ["fold"].into());
}

#[test]
fn canary_promotion() {
    let mut oracles = oracles::Oracles::new(true);
    let partition = eddyline_core::types::TopicPartition::new("changelog", 0);
    oracles.promoted("one", &partition, 7);
    oracles.restores_the_rest("other", &partition, 0);
    oracles.restores_the_rest("one", &partition, 7);
    oracles.restores_the_rest("one", &partition, 0);
    assert!(oracles.is_clean(), "it was the standby of one, once");
    oracles.promoted("one", &partition, 7);
    oracles.restores_the_rest("one", &partition, 6);
    assert_eq!(oracles.into_violations()[0].oracle, "promotion");
}

/// A seed promotes a standby that has something, with its stores in memory or on disk.
#[test]
fn standbys_are_promoted_with_what_they_have() {
    for on_disk in [false, true] {
        let mut seeds = (0..200).filter(|seed| has_disks(SeedTree::new(*seed)) == on_disk);
        let promotes = |seed: u64| {
            let text = replayed(seed);
            let mut lines = text.lines();
            lines.any(|line| line.contains("reason: Promoted") && !line.contains("position: 0,"))
        };
        assert!(seeds.any(promotes), "on disk: {on_disk}");
    }
}

#[test]
fn canary_disk() {
    let seed = (0..).find(|seed| has_disks(SeedTree::new(*seed)));
    let seed = seed.expect("every other seed has disks");
    assert!(noticed(seed, Defects::default(), calm).is_empty());
    let oracles = noticed(seed, Defects::default(), |simulation| {
        calm(simulation);
        simulation.sabotage = Some(|world| {
            for instance in &world.instances {
                instance.disk.tear();
            }
        });
    });
    assert_eq!(oracles, ["disk"].into());
}

/// A crash leaves something to go on from, or nothing.
#[test]
fn restarts_go_on_from_what_is_on_disk() {
    let (mut from_somewhere, mut from_nothing) = (false, false);
    for seed in (0..60).filter(|seed| has_disks(SeedTree::new(*seed))) {
        let text = replayed(seed);
        let restores = || text.lines().filter(|line| line.contains("RestoreStarted"));
        from_nothing |= restores().any(|line| line.contains("offset: 0,"));
        from_somewhere |= restores().any(|line| !line.contains("offset: 0,"));
        if from_somewhere && from_nothing {
            return;
        }
    }
    panic!("from somewhere: {from_somewhere}, from nothing: {from_nothing}");
}

#[test]
fn a_full_disk_stops_an_instance_and_loses_nothing() {
    let fills = |seed: &u64| {
        let tree = SeedTree::new(*seed);
        let faults = Schedule::draw(tree).faults;
        let mut faults = faults.iter().map(|scheduled| &scheduled.fault);
        has_disks(tree) && faults.any(|fault| matches!(fault, Fault::FillDisk { .. }))
    };
    let mut seeds = (0..).filter(fills).take(20);
    assert!(seeds.any(|seed| replayed(seed).contains("Failed(Storage(Full")));
}

/// The trace of a run without violations.
fn replayed(seed: u64) -> String {
    let mut text = Vec::new();
    let outcome = replay(seed, &mut text).expect("memory can be written");
    assert!(outcome.violations.is_empty(), "{seed}: {outcome}");
    String::from_utf8(text).expect("text")
}

#[test]
fn canary_settle() {
    let oracles = noticed(1, Defects::default(), |simulation| {
        calm(simulation);
        simulation.sabotage = Some(|world| {
            if world.blockades.is_empty() {
                world.block(Blockade {
                    instance: 0,
                    node: None,
                    end: End::Broker,
                    until: Instant::MAX,
                });
            }
        });
    });
    assert_eq!(oracles, ["settle"].into());
}

#[test]
fn canary_loop() {
    let oracles = noticed(1, Defects::default(), |simulation| {
        calm(simulation);
        simulation.schedule.step_us = 5;
        simulation.sabotage = Some(|world| {
            for thread in world.threads.keys().copied().collect::<Vec<_>>() {
                world.wake_runner(thread, world.now);
            }
        });
    });
    assert_eq!(oracles, ["loop"].into());
}

#[test]
fn canary_owners() {
    let oracles = noticed(1, Defects::default(), |simulation| {
        calm(simulation);
        simulation.schedule.starts_ms = vec![0, 0];
        simulation.sabotage = Some(|world| {
            // Each of them has the task long before it may.
            for thread in world.threads.values_mut() {
                thread.tasks.insert(TaskId::new(0, 0), TaskState::Suspended);
            }
        });
    });
    assert_eq!(oracles, ["owners"].into());
}

#[test]
fn canary_owners_of_the_group() {
    let tasks = |partitions: &[i32]| Tasks {
        active: partitions.iter().map(|p| Task::new("0", *p)).collect(),
        ..Tasks::default()
    };
    let mut applied = BTreeMap::from([
        ("one".to_owned(), tasks(&[0, 1])),
        ("other".to_owned(), tasks(&[2])),
    ]);
    assert_eq!(oracles::shared_task(&applied), None);
    applied.insert("third".to_owned(), tasks(&[1]));
    let (task, one, third) = oracles::shared_task(&applied).expect("noticed");
    assert_eq!((task.partition, one, third), (1, "one", "third"));
}

fn echo() -> Simulation {
    let builder = StreamsBuilder::new();
    let names = builder.stream::<String, String>("names");
    names.to("echo");
    Simulation::new(3, builder.build().expect("a valid topology"))
}

#[test]
fn canary_error() {
    // Four bytes are no 64-bit number: the thread fails.
    let builder = StreamsBuilder::new();
    let numbers = builder.stream::<String, i64>("numbers");
    numbers.to("echo");
    let topology = builder.build().expect("a valid topology");
    let outcome = Simulation::new(3, topology)
        .input("numbers", [(Some("key"), "four")])
        .run();
    let oracles: Vec<&str> = outcome.violations.iter().map(|v| v.oracle).collect();
    assert!(oracles.contains(&"error"), "{outcome}");
}

#[test]
fn canary_check_and_input() {
    let outcome = echo()
        .input("names", [(Some("key"), "ann")])
        .check(|cluster| match cluster.log("echo", 0) {
            Some(_) => Err("found".to_owned()),
            None => Ok(()),
        })
        .run();
    assert_eq!(outcome.violations[0].oracle, "check", "{outcome}");
    let outcome = echo().input("no topic!", [(Some("key"), "ann")]).run();
    assert_eq!(outcome.violations[0].oracle, "input", "{outcome}");
}

#[test]
fn what_is_said_is_not_drawn() {
    let outcome = echo()
        .input("names", (0..20).map(|n| (Some(n.to_string()), "x")))
        .brokers(3)
        .partitions(2)
        .instances(2)
        .threads(1)
        .without_faults()
        .set("commit.interval.ms", 77)
        .expect("a valid setting")
        .run();
    assert!(outcome.violations.is_empty(), "{outcome}");
    assert_eq!(outcome.records("echo").len(), 20);
    assert_eq!(outcome.cluster.topics()["echo"], 2);
    assert!(outcome.records("nothing").is_empty());
    assert!(echo().set("no.such.key", 1).is_err());
}
