//! The coordinator's timers, by key and by time.

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The member has not been heard of.
    Session { group: String, member: String },
    /// The member has not given up its tasks.
    Rebalance { group: String, member: String },
    /// A new group has waited long enough for more members.
    InitialDelay { group: String },
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: BTreeMap<Timer, (Instant, i32)>,
    queue: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    fn schedule(&mut self, timer: Timer, at: Instant, epoch: i32) {
        if let Some((old, _)) = self.deadlines.insert(timer.clone(), (at, epoch)) {
            self.queue.remove(&(old, timer.clone()));
        }
        self.queue.insert((at, timer));
    }

    fn cancel(&mut self, timer: Timer) {
        if let Some((at, _)) = self.deadlines.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    pub(super) fn session(&mut self, group: &str, member: &str, at: Instant) {
        let timer = Timer::Session {
            group: group.to_owned(),
            member: member.to_owned(),
        };
        self.schedule(timer, at, 0);
    }

    /// Only counts while the member is still at `epoch`.
    pub(super) fn rebalance(&mut self, group: &str, member: &str, at: Instant, epoch: i32) {
        let timer = Timer::Rebalance {
            group: group.to_owned(),
            member: member.to_owned(),
        };
        self.schedule(timer, at, epoch);
    }

    pub(super) fn initial_delay_if_absent(&mut self, group: &str, at: Instant) {
        if !self.is_initial_delay_scheduled(group) {
            let group = group.to_owned();
            self.schedule(Timer::InitialDelay { group }, at, 0);
        }
    }

    pub(super) fn is_initial_delay_scheduled(&self, group: &str) -> bool {
        let group = group.to_owned();
        self.deadlines.contains_key(&Timer::InitialDelay { group })
    }

    pub(super) fn cancel_rebalance(&mut self, group: &str, member: &str) {
        self.cancel(Timer::Rebalance {
            group: group.to_owned(),
            member: member.to_owned(),
        });
    }

    pub(super) fn cancel_member(&mut self, group: &str, member: &str) {
        self.cancel_rebalance(group, member);
        self.cancel(Timer::Session {
            group: group.to_owned(),
            member: member.to_owned(),
        });
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// A timer that is due at `now`, with the epoch it was scheduled for.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Timer, i32)> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        let (_, epoch) = self.deadlines.remove(&timer)?;
        Some((timer, epoch))
    }
}
