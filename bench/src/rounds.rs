//! Rounds of a case on both sides in turn, and the line that is printed of them.

use std::time::{Duration, Instant};

use crate::java_side::JavaSide;

/// What was done in a round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
}

/// Something to be measured.
pub(crate) trait Case {
    /// Makes what `count` operations need from outside: takes no time that is measured.
    fn prepare(&mut self, count: usize) {
        let _ = count;
    }

    /// Does `count` operations.
    fn operate(&mut self, count: usize);

    /// Ends a batch of operations as a commit does.
    fn commit(&mut self);
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Rounds; the median counts.
    pub(crate) rounds: usize,
    /// About how long a round takes.
    pub(crate) round: Duration,
}

impl Plan {
    /// Operations per second on both sides, Java's where it runs: rounds alternate, so that what
    /// else the machine does hits both.
    pub(crate) fn measure(
        &self,
        case: &mut dyn Case,
        java: &mut Option<JavaSide>,
    ) -> (f64, Option<f64>) {
        // Java's compiler must have seen what is hot.
        let warm_up = self.round * 2;
        self.round_of(case, self.round);
        if let Some(java) = java {
            java.round(warm_up);
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds.max(1) {
            ours.push(self.round_of(case, self.round));
            theirs.extend(java.as_mut().and_then(|java| java.round(self.round)));
        }
        (median(&ours).unwrap_or_default(), median(&theirs))
    }

    /// Operations per second of two cases of ours in turn.
    pub(crate) fn measure_both(&self, cases: [&mut dyn Case; 2]) -> [f64; 2] {
        let mut rounds = [Vec::new(), Vec::new()];
        let [first, second] = cases;
        for round in 0..=self.rounds.max(1) {
            let both = [
                self.round_of(first, self.round),
                self.round_of(second, self.round),
            ];
            // The first one warms up.
            if round > 0 {
                rounds
                    .iter_mut()
                    .zip(both)
                    .for_each(|(all, one)| all.push(one));
            }
        }
        rounds.map(|rounds| median(&rounds).unwrap_or_default())
    }

    fn round_of(&self, case: &mut dyn Case, limit: Duration) -> Round {
        let mut round = Round {
            operations: 0,
            elapsed: Duration::ZERO,
        };
        while round.elapsed < limit {
            let mut uncommitted = 0;
            while uncommitted < COMMIT_EVERY && round.elapsed < limit {
                let count = STEP.min(COMMIT_EVERY - uncommitted);
                case.prepare(count);
                let start = Instant::now();
                case.operate(count);
                round.elapsed += start.elapsed();
                uncommitted += count;
            }
            let start = Instant::now();
            case.commit();
            round.elapsed += start.elapsed();
            round.operations += uncommitted as u64;
        }
        round
    }
}

/// Operations per second of the round in the middle.
fn median(rounds: &[Round]) -> Option<f64> {
    let rate = |round: &Round| round.operations as f64 / round.elapsed.as_secs_f64();
    let mut rates: Vec<f64> = rounds.iter().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

/// Prints a line: ours, Java's and the ratio, in thousands a second.
pub(crate) fn print(name: &str, (ours, java): (f64, Option<f64>)) {
    let ours_k = ours / 1e3;
    match java {
        Some(java) => println!(
            "{name:<44} {ours_k:>10.1} k/s  Java {:>9.1} k/s  ratio {:>8.2}",
            java / 1e3,
            ours / java
        ),
        None => println!("{name:<44} {ours_k:>10.1} k/s"),
    }
}

/// Operations between two commits: 100 ms at a million operations a second.
const COMMIT_EVERY: usize = 100_000;

/// Between two looks at the clock.
const STEP: usize = 500;
