//! What is done to a cluster, and when: a plain value drawn from a seed.

use std::fmt;
use std::time::Duration;

use eddyline_core::rng::{Rng, SeedTree};

/// Something that is done to a cluster. Instances and nodes are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL to an instance, which is started again so much later.
    KillInstance { instance: usize, down_ms: u64 },
    /// SIGSTOP to an instance, SIGCONT so much later: longer than its session.
    PauseInstance { instance: usize, ms: u64 },
    /// An instance closes as it should, and is started again so much later.
    CloseInstance { instance: usize, down_ms: u64 },
    /// SIGKILL to a broker, which is started again so much later.
    KillBroker { node: usize, down_ms: u64 },
    /// SIGSTOP to a broker, SIGCONT so much later.
    PauseBroker { node: usize, ms: u64 },
    /// Every connection breaks off.
    Cut,
    /// Everything takes so much longer, for a while.
    Delay { by_ms: u64, ms: u64 },
    /// Nothing gets through for a while; then the connections are good again, or they break off
    /// and the brokers get what was on its way only then.
    Stall { ms: u64, cut: bool },
}

impl Fault {
    /// What such faults are called in a report.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::KillInstance { .. } => "kill -9 of an instance",
            Self::PauseInstance { .. } => "pause of an instance",
            Self::CloseInstance { .. } => "restart of an instance",
            Self::KillBroker { .. } => "kill -9 of a broker",
            Self::PauseBroker { .. } => "pause of a broker",
            Self::Cut => "cut of all connections",
            Self::Delay { .. } => "delay",
            Self::Stall { cut: false, .. } => "stall",
            Self::Stall { cut: true, .. } => "stall and cut with late delivery",
        }
    }

    /// What it is done to, and for how long nothing else may be.
    const fn target(&self) -> (Target, u64) {
        match *self {
            // Starting again takes a while too.
            Self::KillInstance { instance, down_ms }
            | Self::CloseInstance { instance, down_ms } => {
                (Target::Instance(instance), down_ms + 3000)
            }
            Self::PauseInstance { instance, ms } => (Target::Instance(instance), ms + 1000),
            Self::KillBroker { down_ms, .. } => (Target::Brokers, down_ms + 15_000),
            Self::PauseBroker { ms, .. } => (Target::Brokers, ms + 3000),
            Self::Cut => (Target::Network, 0),
            Self::Delay { ms, .. } | Self::Stall { ms, .. } => (Target::Network, ms),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Instance(usize),
    Brokers,
    Network,
}

/// A fault and its time from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Milliseconds from the start.
    pub(super) at_ms: u64,
    /// What is done then.
    pub(super) fault: Fault,
}

/// All that is done in a run. Equal seeds, durations and sizes give equal schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The seed it was drawn from.
    pub seed: u64,
    /// By their times.
    pub(super) faults: Vec<Planned>,
}

impl Schedule {
    /// Draws the faults of `duration`: something about every second and a half, of which nothing
    /// meets an instance or the network while they still have to bear something else, and only one
    /// broker is down at a time.
    pub fn draw(seed: u64, duration: Duration, instances: usize, nodes: usize) -> Self {
        let mut rng = SeedTree::new(seed).child("chaos", 0).rng();
        let end_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut faults: Vec<Planned> = Vec::new();
        let mut at_ms = 3000;
        while at_ms < end_ms {
            let fault = draw_fault(&mut rng, instances as u64, nodes as u64);
            let is_free = |planned: &Planned| {
                let (target, busy_ms) = planned.fault.target();
                target != fault.target().0 || planned.at_ms + busy_ms <= at_ms
            };
            if faults.iter().all(is_free) {
                faults.push(Planned { at_ms, fault });
            }
            at_ms += 300 + rng.below(1500);
        }
        Self { seed, faults }
    }
}

fn draw_fault(rng: &mut Rng, instances: u64, nodes: u64) -> Fault {
    let instance = rng.below(instances) as usize;
    let node = rng.below(nodes) as usize;
    match rng.below(20) {
        0..5 => Fault::KillInstance {
            instance,
            down_ms: rng.below(5000),
        },
        // Sessions are of 3 seconds, transactions of 10.
        5..8 => Fault::PauseInstance {
            instance,
            ms: 4000 + rng.below(9000),
        },
        8 => Fault::CloseInstance {
            instance,
            down_ms: rng.below(2000),
        },
        // The others notice after 3 seconds. A broker that is back before that, or is alone, takes
        // up its transactions again with metadata from before it died; Kafka 4.3.1 was seen to note
        // them as aborted then without a marker in every partition, whose readers wait for ever.
        9..11 if nodes > 1 => Fault::KillBroker {
            node,
            down_ms: 6000 + rng.below(4000),
        },
        9..13 => Fault::PauseBroker {
            node,
            ms: 500 + rng.below(6000),
        },
        13..16 => Fault::Cut,
        16..18 => Fault::Delay {
            by_ms: 20 + rng.below(300),
            ms: 1000 + rng.below(4000),
        },
        _ => Fault::Stall {
            ms: 500 + rng.below(6000),
            cut: rng.chance(1, 2),
        },
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} faults", self.seed, self.faults.len())?;
        for Planned { at_ms, fault } in &self.faults {
            writeln!(f, "{at_ms:>8} ms {fault:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    #[test]
    fn a_seed_gives_one_schedule_and_another_seed_another() {
        let schedule = Schedule::draw(7, FIVE_MINUTES, 3, 3);
        assert_eq!(schedule, Schedule::draw(7, FIVE_MINUTES, 3, 3));
        assert_ne!(
            schedule.faults,
            Schedule::draw(8, FIVE_MINUTES, 3, 3).faults
        );
    }

    #[test]
    fn five_minutes_hold_faults_of_every_kind_and_none_meets_another() {
        let faults = Schedule::draw(7, FIVE_MINUTES, 3, 3).faults;
        let kinds: BTreeSet<&str> = faults.iter().map(|planned| planned.fault.kind()).collect();
        assert_eq!(kinds.len(), 9, "{kinds:?}");
        for (index, earlier) in faults.iter().enumerate() {
            let (target, busy_ms) = earlier.fault.target();
            for later in &faults[index + 1..] {
                let meets =
                    later.fault.target().0 == target && later.at_ms < earlier.at_ms + busy_ms;
                assert!(!meets, "{earlier:?} and {later:?}");
            }
        }
    }
}
