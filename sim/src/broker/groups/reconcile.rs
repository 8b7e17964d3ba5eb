//! One member's way from what it has to what it should have (Java: `CurrentAssignmentBuilder`).

use std::collections::BTreeSet;

use super::group::{Member, MemberState, Owners};
use super::tasks::{AssignedTasks, Task, Tasks};

/// The member after it was reconciled towards `target` of epoch `target_epoch`.
///
/// `owned` is what the request said the member owns, if it said so. An active task is given only
/// when no process owns it and the member's own process does not hold a copy of it.
pub(super) fn reconcile(
    member: &Member,
    target_epoch: i32,
    target: &Tasks,
    owned: Option<&Tasks>,
    owners: &Owners<'_>,
) -> Member {
    let reconciler = Reconciler {
        member,
        target_epoch,
        target,
        owned,
        owners,
    };
    match member.state {
        MemberState::Stable if member.member_epoch == target_epoch => member.clone(),
        MemberState::Stable | MemberState::UnreleasedTasks => reconciler.next(member.member_epoch),
        MemberState::UnrevokedTasks => match owned {
            Some(owned) if !owned.contains_any(&member.pending_revocation) => {
                reconciler.next(member.member_epoch + 1)
            }
            _ => member.clone(),
        },
    }
}

struct Reconciler<'a> {
    member: &'a Member,
    target_epoch: i32,
    target: &'a Tasks,
    owned: Option<&'a Tasks>,
    owners: &'a Owners<'a>,
}

/// Tasks that stay, go and come; and whether some cannot come yet.
#[derive(Default)]
struct Difference {
    stay: AssignedTasks,
    revoke: AssignedTasks,
    assign: AssignedTasks,
    unreleased: bool,
}

impl Reconciler<'_> {
    fn difference(&self) -> Difference {
        let mut difference = Difference::default();
        let process = self.member.process_id.as_str();
        let current = &self.member.assigned;
        for (task, &epoch) in &current.active {
            let into = if self.target.active.contains(task) {
                &mut difference.stay
            } else {
                &mut difference.revoke
            };
            into.active.insert(task.clone(), epoch);
        }
        for task in &self.target.active {
            if current.active.contains_key(task) {
                continue;
            }
            let held =
                self.owners.is_active_anywhere(task) || self.owners.is_copied_in(task, process);
            if held {
                difference.unreleased = true;
            } else {
                difference
                    .assign
                    .active
                    .insert(task.clone(), self.target_epoch);
            }
        }
        let held = |task: &Task| {
            self.owners.is_active_in(task, process) || self.owners.is_copied_in(task, process)
        };
        let mut unreleased = false;
        let mut copies = |current: &BTreeSet<Task>, target: &BTreeSet<Task>| {
            let stay = current.intersection(target).cloned().collect();
            let revoke = current.difference(target).cloned().collect();
            let wanted = target.difference(current);
            let (blocked, assign): (BTreeSet<Task>, BTreeSet<Task>) =
                wanted.cloned().partition(|task| held(task));
            unreleased |= !blocked.is_empty();
            [stay, revoke, assign]
        };
        let standby: [BTreeSet<Task>; 3] = copies(&current.standby, &self.target.standby);
        let warmup: [BTreeSet<Task>; 3] = copies(&current.warmup, &self.target.warmup);
        [
            difference.stay.standby,
            difference.revoke.standby,
            difference.assign.standby,
        ] = standby;
        [
            difference.stay.warmup,
            difference.revoke.warmup,
            difference.assign.warmup,
        ] = warmup;
        difference.unreleased |= unreleased;
        difference
    }

    fn next(&self, epoch: i32) -> Member {
        let Difference {
            stay,
            revoke,
            assign,
            unreleased,
        } = self.difference();
        let mut member = self.member.clone();
        let must_revoke =
            !revoke.is_empty() && self.owned.is_none_or(|owned| owned.contains_any(&revoke));
        member.assigned = stay;
        if must_revoke {
            member.state = MemberState::UnrevokedTasks;
            member.update_epoch(epoch);
            member.pending_revocation = revoke;
            return member;
        }
        member.state = if unreleased {
            MemberState::UnreleasedTasks
        } else {
            MemberState::Stable
        };
        member.update_epoch(self.target_epoch);
        member.assigned.merge(assign);
        member.pending_revocation = AssignedTasks::default();
        member
    }
}
