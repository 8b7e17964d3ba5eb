//! What a seed chooses: the cluster, its clients, the network, and what goes wrong when.

use eddyline_core::rng::{Rng, SeedTree};
use eddyline_core::thread::Budget;
use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::ApiKey;

use super::moments::{AtMoment, Moment};
use crate::broker::{CoordinatorFault, Fault as RequestFault, FaultRule, GroupConfig};

/// Everything that is decided before a run begins.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) brokers: u16,
    /// Partitions of every topic of the user's.
    pub(super) partitions: i32,
    /// When each instance starts first, in milliseconds.
    pub(super) starts_ms: Vec<u64>,
    pub(super) threads: usize,
    pub(super) settings: Vec<(&'static str, u64)>,
    pub(super) group: GroupConfig,
    pub(super) budget: Budget,
    pub(super) network: Network,
    /// How long one step of a task runner takes, in microseconds.
    pub(super) step_us: u64,
    /// Wall clocks differ between instances by up to this, in milliseconds.
    pub(super) skew_ms: u64,
    /// When the input is produced: from, and for how long, in milliseconds.
    pub(super) input_ms: (u64, u64),
    pub(super) faults: Vec<ScheduledFault>,
    /// Faults are hard and long: members vanish or are expelled.
    pub(super) is_rough: bool,
    /// A member may lose its tasks: records may be processed twice.
    pub(super) may_duplicate: bool,
}

/// How long bytes take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub(super) base_us: u64,
    pub(super) jitter_us: u64,
    /// Now and then a segment takes up to this much longer while faults go on.
    pub(super) spike_us: u64,
    /// Transmissions are cut into segments that travel by themselves.
    pub(super) cuts_segments: bool,
}

/// Something that goes wrong, and from when to when.
#[derive(Clone, Debug)]
pub(super) struct ScheduledFault {
    pub(super) from: Instant,
    pub(super) until: Instant,
    pub(super) fault: Fault,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A connection breaks at any byte; with `late`, what was on its way arrives at the end.
    Reset { late: bool },
    /// Nothing passes between an instance and a node, or all nodes, in one or both directions.
    Partition {
        instance: usize,
        node: Option<BrokerId>,
        to_broker: bool,
        to_client: bool,
    },
    /// The next requests like this fail.
    Request(FaultRule),
    /// The group coordinator does not answer.
    Coordinator(CoordinatorFault),
    /// Another node becomes the group coordinator.
    MoveCoordinator(BrokerId),
    /// Another node leads every partition of one topic.
    MoveLeaders { topic: u64, node: BrokerId },
    /// A node goes down and comes back.
    RestartBroker(BrokerId),
    /// A node neither reads nor answers.
    PauseBroker(BrokerId),
    /// All processes of an instance vanish with what they had in memory, and start again.
    Crash { instance: usize },
    /// There is no room on the disk of an instance.
    FillDisk { instance: usize },
    /// The next record that a processor gets fails.
    FailProcessor,
    /// Something goes wrong at a chosen moment.
    AtMoment(AtMoment),
    /// The cleaner goes over every changelog, all but the last batches; with `moves_start`, the
    /// logs begin with what is left.
    Clean { kept: usize, moves_start: bool },
    /// An instance closes gracefully and starts again.
    Close { instance: usize },
    /// `process()` takes as long as this.
    PauseRunner { instance: usize, thread: usize },
    /// A process stands still: stopped, swapped out, its machine migrated.
    PauseInstance { instance: usize },
    /// The application asks an instance to process nothing: `KafkaStreams.pause()`.
    PauseProcessing { instance: usize },
}

impl Schedule {
    /// What `seed` chooses.
    pub(super) fn draw(seed: SeedTree) -> Self {
        let mut rng = seed.child("cluster", 0).rng();
        let brokers = 1 + rng.below(3) as u16;
        let partitions = 1 + rng.below(4) as i32;
        let instances = 1 + rng.below(3);
        let threads = 1 + rng.below(2) as usize;
        let starts_ms = (0..instances).map(|_| rng.below(2_500)).collect();
        let is_rough = rng.chance(1, 2);
        let network = draw_network(&mut seed.child("network", 0).rng());
        let mut rng = seed.child("settings", 0).rng();
        let (mut settings, group) = draw_settings(&mut rng, is_rough);
        // Apart, so that where nothing is purged a seed stays the run it was.
        let purge_ms = pick(
            &mut seed.child("purge", 0).rng(),
            &[100, 1_000, 30_000, 30_000],
        );
        settings.push(("repartition.purge.interval.ms", purge_ms));
        let max_records = pick(&mut rng, &[1, 7, 100, 1_000]) as usize;
        let budget = Budget {
            max_records,
            max_restored: max_records * 5,
        };
        let input_ms = (rng.below(4_000), 500 + rng.below(6_000));
        let mut schedule = Self {
            brokers,
            partitions,
            starts_ms,
            threads,
            settings,
            group,
            budget,
            network,
            step_us: 5 + rng.below(200),
            skew_ms: pick(&mut rng, &[0, 0, 50, 5_000]),
            input_ms,
            faults: Vec::new(),
            is_rough,
            may_duplicate: is_rough,
        };
        schedule.draw_faults(seed, false);
        schedule
    }

    /// Draws the faults anew, for the instances and nodes there are.
    pub(super) fn draw_faults(&mut self, seed: SeedTree, is_exactly_once: bool) {
        let mut rng = seed.child("faults", 0).rng();
        let count = if rng.chance(1, 8) { 0 } else { rng.below(9) };
        self.faults = (0..count).map(|_| self.draw_fault(&mut rng)).collect();
        // Apart, so that a seed stays the run it was before there were disks.
        let mut rng = seed.child("disk", 0).rng();
        if self.is_rough && rng.chance(1, 4) {
            let instance = rng.below(self.starts_ms.len() as u64) as usize;
            let from = Instant::ZERO.plus_ms(START_MS + 300 + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from.plus_ms(20 + rng.below(3_000)),
                fault: Fault::FillDisk { instance },
            });
        }
        let mut rng = seed.child("moments", 0).rng();
        let count = if rng.chance(1, 3) { 0 } else { rng.below(9) };
        for _ in 0..count {
            let fault = AtMoment::draw(&mut rng, self.brokers, self.is_rough, is_exactly_once);
            let from = Instant::ZERO.plus_ms(START_MS + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from.plus_ms(500 + rng.below(8_000)),
                fault: Fault::AtMoment(fault),
            });
        }
        self.draw_hand_overs(&mut seed.child("moments", 1).rng(), is_exactly_once);
        let mut rng = seed.child("cleaner", 0).rng();
        let count = if rng.chance(1, 2) {
            0
        } else {
            1 + rng.below(4)
        };
        for _ in 0..count {
            let from = Instant::ZERO.plus_ms(START_MS + 300 + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from,
                fault: Fault::Clean {
                    kept: rng.below(4) as usize,
                    moves_start: rng.chance(2, 3),
                },
            });
        }
        if self.is_rough && rng.chance(1, 6) {
            let from = Instant::ZERO.plus_ms(START_MS + 300 + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from.plus_ms(3_000),
                fault: Fault::FailProcessor,
            });
        }
        self.draw_absence(&mut seed.child("absence", 0).rng());
        // A member that misses two new epochs is fenced, in Kafka too.
        let missed = self.faults.iter().map(|fault| match &fault.fault {
            Fault::Request(rule) if rule.api == Some(ApiKey::StreamsGroupHeartbeat) => rule.times,
            Fault::AtMoment(at) if is_heartbeat(at.moment) => at.times,
            _ => 0,
        });
        self.may_duplicate = self.is_rough || missed.sum::<u32>() > 1;
    }

    /// An instance that is away for seconds, with its disk, while others go on with its tasks; its
    /// changelogs are cleaned before it is back, so that what it missed is to be found nowhere.
    fn draw_absence(&mut self, rng: &mut Rng) {
        let instances = self.starts_ms.len() as u64;
        if instances < 2 || !rng.chance(1, 4) {
            return;
        }
        let instance = rng.below(instances) as usize;
        let from = Instant::ZERO.plus_ms(START_MS + 1_500 + rng.below(4_000));
        let length_ms = 1_500 + rng.below(6_000);
        self.faults.push(ScheduledFault {
            from,
            until: from.plus_ms(length_ms),
            fault: Fault::Close { instance },
        });
        let cleaned = from.plus_ms(length_ms - 1);
        self.faults.push(ScheduledFault {
            from: cleaned,
            until: cleaned,
            fault: Fault::Clean {
                kept: 0,
                moves_start: true,
            },
        });
    }

    /// Faults while tasks move, and pauses that an application asks for.
    fn draw_hand_overs(&mut self, rng: &mut Rng, is_exactly_once: bool) {
        let count = if rng.chance(2, 3) {
            0
        } else {
            1 + rng.below(4)
        };
        for _ in 0..count {
            let (brokers, is_rough) = (self.brokers, self.is_rough);
            let fault = AtMoment::draw_hand_over(rng, brokers, is_rough, is_exactly_once);
            let from = Instant::ZERO.plus_ms(START_MS + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from.plus_ms(500 + rng.below(8_000)),
                fault: Fault::AtMoment(fault),
            });
        }
        if rng.chance(1, 6) {
            let instance = rng.below(self.starts_ms.len() as u64) as usize;
            let from = Instant::ZERO.plus_ms(START_MS + 300 + rng.below(8_000));
            self.faults.push(ScheduledFault {
                from,
                until: from.plus_ms(100 + rng.below(4_000)),
                fault: Fault::PauseProcessing { instance },
            });
        }
    }

    /// Exactly-once excuses nothing, and its offsets go another way.
    pub(super) fn fit_to_transactions(&mut self) {
        self.may_duplicate = false;
        for scheduled in &mut self.faults {
            if let Fault::Request(rule) = &mut scheduled.fault
                && rule.api == Some(ApiKey::OffsetCommit)
            {
                let apis = [ApiKey::EndTxn, ApiKey::TxnOffsetCommit];
                rule.api = Some(apis[(rule.skip % 2) as usize]);
            }
        }
    }

    fn draw_fault(&self, rng: &mut Rng) -> ScheduledFault {
        let instance = rng.below(self.starts_ms.len() as u64) as usize;
        let thread = rng.below(self.threads as u64) as usize;
        let node = BrokerId(1 + rng.below(u64::from(self.brokers)) as i32);
        let kinds = if self.is_rough { 16 } else { 13 };
        let mut length_ms = 20 + rng.below(1_000);
        let fault = match rng.below(kinds) {
            0 | 1 => Fault::Reset {
                late: self.is_rough && rng.chance(1, 2),
            },
            2 => Fault::Partition {
                instance,
                node: rng.chance(1, 2).then_some(node),
                to_broker: rng.chance(3, 4),
                to_client: rng.chance(3, 4),
            },
            3..=5 => Fault::Request(draw_rule(rng)),
            6 if rng.chance(1, 2) => Fault::Coordinator(CoordinatorFault::Unavailable),
            6 => Fault::Coordinator(CoordinatorFault::Loading),
            7 => Fault::MoveCoordinator(node),
            8 => Fault::MoveLeaders {
                topic: rng.next_u64(),
                node,
            },
            9 => Fault::RestartBroker(node),
            10 => Fault::PauseBroker(node),
            11 => Fault::Close { instance },
            12 => {
                length_ms = 500 + rng.below(4_000);
                Fault::PauseRunner { instance, thread }
            }
            13 | 14 => Fault::Crash { instance },
            _ => Fault::PauseInstance { instance },
        };
        if self.is_rough && rng.chance(1, 2) {
            length_ms += rng.below(9_000);
        }
        let from = Instant::ZERO.plus_ms(START_MS + 300 + rng.below(8_000));
        ScheduledFault {
            from,
            until: from.plus_ms(length_ms),
            fault,
        }
    }

    /// Whether a disk may be full.
    pub(super) fn fills_disks(&self) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|scheduled| matches!(scheduled.fault, Fault::FillDisk { .. }))
    }

    /// When nothing goes wrong any more.
    pub(super) fn faults_end(&self) -> Instant {
        let ends = self.faults.iter().map(|fault| fault.until);
        ends.max().unwrap_or(Instant::ZERO)
    }
}

/// Whether what goes wrong then may lose the answer to a heartbeat.
fn is_heartbeat(moment: Moment) -> bool {
    let heartbeat = ApiKey::StreamsGroupHeartbeat;
    moment == Moment::Asks(heartbeat) || moment == Moment::Answers(heartbeat)
}

/// A monotonic clock never shows zero.
pub(super) const START_MS: u64 = 1_000;

fn pick(rng: &mut Rng, choices: &[u64]) -> u64 {
    choices[rng.below(choices.len() as u64) as usize]
}

fn draw_network(rng: &mut Rng) -> Network {
    Network {
        // Not less: two flushes of one task never fall into one millisecond.
        base_us: 500 + pick(rng, &[0, 500, 3_000, 20_000]),
        jitter_us: pick(rng, &[10, 300, 2_000, 10_000]),
        spike_us: pick(rng, &[0, 0, 50_000, 400_000]),
        cuts_segments: rng.chance(1, 3),
    }
}

/// Settings of the clients and the group. Where nobody is to be expelled, sessions outlast every
/// fault and every attempt to talk about it.
fn draw_settings(rng: &mut Rng, is_rough: bool) -> (Vec<(&'static str, u64)>, GroupConfig) {
    let session_ms = if is_rough {
        3_000 + rng.below(5_000)
    } else {
        20_000
    };
    let heartbeat_ms = if is_rough {
        session_ms / (3 + rng.below(3))
    } else {
        500 + rng.below(2_500)
    };
    let max_poll_ms = if is_rough {
        3_000 + rng.below(12_000)
    } else {
        30_000
    };
    let settings = vec![
        (
            "statestore.cache.max.bytes",
            pick(rng, &[0, 300, 2_000, BIG_CACHE_BYTES, BIG_CACHE_BYTES]),
        ),
        (
            "commit.interval.ms",
            pick(rng, &[10, 50, 100, 100, 500, 2_000]),
        ),
        ("linger.ms", pick(rng, &[0, 5, 100, 100])),
        ("batch.size", pick(rng, &[200, 2_000, 262_144])),
        ("max.poll.interval.ms", max_poll_ms),
        ("request.timeout.ms", 600 + rng.below(2_000)),
        ("metadata.max.age.ms", pick(rng, &[1_000, 300_000])),
        ("fetch.max.wait.ms", pick(rng, &[50, 500])),
        ("buffered.records.per.partition", pick(rng, &[1, 20, 1_000])),
        (
            "max.partition.fetch.bytes",
            pick(rng, &[100, 2_000, 1_048_576]),
        ),
    ];
    let group = GroupConfig {
        session_timeout_ms: session_ms as u32,
        heartbeat_interval_ms: heartbeat_ms as u32,
        initial_rebalance_delay_ms: pick(rng, &[0, 100, 1_000]) as u32,
        assignment_interval_ms: pick(rng, &[0, 100, 1_000]) as u32,
        num_standby_replicas: rng.below(3) as u32,
        ..GroupConfig::default()
    };
    (settings, group)
}

/// A cache from which nothing is evicted.
pub(super) const BIG_CACHE_BYTES: u64 = 4 << 20;

/// Requests that fail, with errors that pass.
fn draw_rule(rng: &mut Rng) -> FaultRule {
    let (api, codes): (ApiKey, &[i16]) = match rng.below(8) {
        // NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS
        0 | 1 => (ApiKey::Produce, &[6, 7, 19]),
        // NOT_LEADER_OR_FOLLOWER, UNKNOWN_LEADER_EPOCH
        2 => (ApiKey::Fetch, &[6, 75]),
        // COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
        3 | 4 => (ApiKey::OffsetCommit, &[14, 15, 16]),
        5 => (ApiKey::OffsetFetch, &[14, 15, 16]),
        6 => (ApiKey::StreamsGroupHeartbeat, &[14, 15, 16]),
        _ => (ApiKey::ListOffsets, &[6]),
    };
    let code = codes[rng.below(codes.len() as u64) as usize];
    let fault = match rng.below(6) {
        0 | 1 => RequestFault::ApplyThenDisconnect,
        2 => RequestFault::ApplyThenHang,
        3 => RequestFault::Disconnect,
        4 => RequestFault::Hang,
        _ => RequestFault::Error(code),
    };
    FaultRule {
        api: Some(api),
        node: None,
        skip: rng.below(4) as u32,
        times: 1 + rng.below(2) as u32,
        fault,
    }
}
