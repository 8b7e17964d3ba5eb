//! Seeds, and canaries: every oracle must notice what it is there for.

use super::*;

/// How the world itself is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {}

#[test]
fn one_run_without_faults() {
    let (outcome, _) = run_word_count(
        3,
        Defects::default(),
        |simulation| {
            simulation.has_faults = false;
            simulation.schedule.is_rough = false;
        },
        Some(&mut std::io::stderr()),
    );
    assert!(outcome.violations.is_empty(), "{outcome}");
}
