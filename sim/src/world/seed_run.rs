//! The application of a seed, and what of it a caller may decide.

use std::io;
use std::sync::{Arc, Mutex};

use eddyline_core::config::ProcessingGuarantee;
use eddyline_core::mutation::Mutation;
use eddyline_core::rng::SeedTree;

use super::applications::Application;
use super::workload::{self, Defects, Findings, Signals};
use super::{Outcome, Simulation, has_disks};

/// An application on a cluster, both as a seed chooses, checked by all oracles.
///
/// ```
/// use eddyline_core::config::ProcessingGuarantee;
/// use eddyline_sim::SeedRun;
///
/// let run = SeedRun::new(1).guarantee(ProcessingGuarantee::ExactlyOnceV2);
/// let outcome = run.run();
/// assert!(outcome.violations.is_empty(), "{outcome}");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SeedRun {
    seed: u64,
    guarantee: Option<ProcessingGuarantee>,
    mutation: Option<Mutation>,
    pub(super) application: Option<Application>,
    pub(super) defects: Defects,
}

impl SeedRun {
    /// All as `seed` chooses.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            guarantee: None,
            mutation: None,
            application: None,
            defects: Defects::default(),
        }
    }

    /// This guarantee in place of the one that the seed chooses.
    #[must_use]
    pub const fn guarantee(mut self, guarantee: ProcessingGuarantee) -> Self {
        self.guarantee = Some(guarantee);
        self
    }

    /// Machines that have a known bug.
    #[must_use]
    pub const fn mutation(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        self
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        self.run_with(|_| {}, None).0
    }

    /// Runs it, with a line for everything that happens.
    ///
    /// # Errors
    /// When `out` cannot be written; the run stops for nothing else.
    pub fn replay(self, out: &mut dyn io::Write) -> io::Result<Outcome> {
        let (outcome, written) = self.run_with(|_| {}, Some(out));
        written.map(|()| outcome)
    }

    pub(super) fn run_with(
        self,
        change: impl FnOnce(&mut Simulation),
        out: Option<&mut dyn io::Write>,
    ) -> (Outcome, io::Result<()>) {
        let seed = SeedTree::new(self.seed);
        let findings: Findings = Arc::new(Mutex::new(Vec::new()));
        let signals: Arc<Signals> = Arc::default();
        let application = self.application;
        let application = application.unwrap_or_else(|| Application::draw(seed));
        let topology = match application {
            Application::WordCount => {
                workload::topology(&findings, self.defects, has_disks(seed), &signals)
            }
            other => other.topology(self.defects, &signals),
        };
        let topology = topology.expect("the topologies of applications are valid");
        let mut simulation = Simulation::new(self.seed, topology);
        simulation.signals = signals;
        simulation.application = Some(application);
        if let Some(guarantee) = self.guarantee {
            simulation.guarantee(guarantee);
        }
        if let Some(mutation) = self.mutation {
            simulation.config = simulation.config.with_mutation(mutation);
        }
        simulation.input = application.input(&mut seed.child("lines", 0).rng());
        change(&mut simulation);
        simulation.run_with(out, |world| workload::check(world, application, &findings))
    }
}

/// Runs the application that `seed` chooses.
///
/// ```
/// let outcome = eddyline_sim::run_seed(1);
/// assert!(outcome.violations.is_empty(), "{outcome}");
/// assert_eq!(outcome.trace_hash, eddyline_sim::run_seed(1).trace_hash);
/// ```
pub fn run_seed(seed: u64) -> Outcome {
    SeedRun::new(seed).run()
}

/// The same run as [`run_seed`], with a line for everything that happens.
///
/// # Errors
/// When `out` cannot be written; the run stops for nothing else.
pub fn replay(seed: u64, out: &mut dyn io::Write) -> io::Result<Outcome> {
    SeedRun::new(seed).replay(out)
}
