//! The sticky task assignor (Java: `StickyTaskAssignor`): balanced, and as few moves as it can.
//!
//! Where Java follows the order of a hash map, this one follows the order of ids.

use std::collections::{BTreeMap, BTreeSet};

use super::tasks::{Task, Tasks};

/// A member as the assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct MemberSpec<'a> {
    pub(crate) process_id: &'a str,
    /// The member's part of the previous target assignment.
    pub(crate) previous: &'a Tasks,
}

/// A sub-topology as the assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct SubtopologySpec {
    pub(crate) id: String,
    pub(crate) tasks: i32,
    pub(crate) stateful: bool,
}

#[derive(Debug, Default)]
struct ProcessState {
    member_tasks: BTreeMap<String, usize>,
    tasks: BTreeSet<Task>,
    task_count: usize,
}

impl ProcessState {
    fn load(&self) -> f64 {
        self.task_count as f64 / self.member_tasks.len() as f64
    }

    fn member_load(&self, member: &str) -> usize {
        self.member_tasks.get(member).copied().unwrap_or(0)
    }

    fn least_loaded_member(&self) -> Option<String> {
        let least = self.member_tasks.iter().min_by_key(|&(_, count)| *count)?;
        Some(least.0.clone())
    }
}

/// How many tasks a member should get: the quota shrinks as members fill up.
#[derive(Debug)]
struct Quota {
    tasks: usize,
    members: usize,
    per_member: usize,
}

impl Quota {
    fn new(tasks: usize, members: usize) -> Self {
        Self {
            tasks,
            members,
            per_member: if members == 0 {
                0
            } else {
                tasks.div_ceil(members)
            },
        }
    }

    fn update(&mut self, member_tasks: usize) {
        if member_tasks == self.per_member {
            *self = Self::new(
                self.tasks.saturating_sub(member_tasks),
                self.members.saturating_sub(1),
            );
        }
    }
}

#[derive(Clone, Debug)]
struct Member {
    process: String,
    id: String,
}

struct Assignor {
    processes: BTreeMap<String, ProcessState>,
    previous_active: BTreeMap<Task, Member>,
    previous_standby: BTreeMap<Task, Vec<Member>>,
    active_quota: Quota,
    total_quota: Quota,
    standby_replicas: usize,
    result: BTreeMap<String, Tasks>,
}

/// A new target assignment for every member of `members`.
///
/// # Errors
/// Says which task could not be placed: only when there is no member at all.
pub(crate) fn assign(
    members: &BTreeMap<String, MemberSpec<'_>>,
    subtopologies: &[SubtopologySpec],
    standby_replicas: usize,
) -> Result<BTreeMap<String, Tasks>, String> {
    let mut assignor = Assignor::new(members, subtopologies, standby_replicas);
    let tasks = |stateful_only: bool| -> Vec<Task> {
        let of_interest = subtopologies
            .iter()
            .filter(|subtopology| subtopology.stateful || !stateful_only);
        of_interest
            .flat_map(|sub| (0..sub.tasks).map(|partition| Task::new(&sub.id, partition)))
            .collect()
    };
    assignor.assign_active(tasks(false))?;
    if standby_replicas > 0 {
        assignor.assign_standby(tasks(true));
    }
    Ok(assignor.result)
}

impl Assignor {
    fn new(
        members: &BTreeMap<String, MemberSpec<'_>>,
        subtopologies: &[SubtopologySpec],
        standby_replicas: usize,
    ) -> Self {
        let count = |sub: &SubtopologySpec| usize::try_from(sub.tasks).unwrap_or(0);
        let active: usize = subtopologies.iter().map(count).sum();
        let stateful: usize = subtopologies
            .iter()
            .filter(|sub| sub.stateful)
            .map(count)
            .sum();
        let mut assignor = Self {
            processes: BTreeMap::new(),
            previous_active: BTreeMap::new(),
            previous_standby: BTreeMap::new(),
            active_quota: Quota::new(active, members.len()),
            total_quota: Quota::new(active + stateful * standby_replicas, members.len()),
            standby_replicas,
            result: BTreeMap::new(),
        };
        for (id, spec) in members {
            let member = Member {
                process: spec.process_id.to_owned(),
                id: id.clone(),
            };
            let process = assignor.processes.entry(member.process.clone());
            process.or_default().member_tasks.insert(id.clone(), 0);
            for task in &spec.previous.active {
                assignor
                    .previous_active
                    .insert(task.clone(), member.clone());
            }
            for task in &spec.previous.standby {
                let entry = assignor.previous_standby.entry(task.clone());
                entry.or_default().push(member.clone());
            }
            assignor.result.insert(id.clone(), Tasks::default());
        }
        assignor
    }

    /// Gives `task` to `member` and returns how many tasks the member now has.
    fn give(&mut self, member: &Member, task: &Task, active: bool) -> usize {
        let tasks = self.result.entry(member.id.clone()).or_default();
        let role = if active {
            &mut tasks.active
        } else {
            &mut tasks.standby
        };
        role.insert(task.clone());
        let process = self.processes.entry(member.process.clone()).or_default();
        process.task_count += 1;
        process.tasks.insert(task.clone());
        let count = process.member_tasks.entry(member.id.clone()).or_default();
        *count += 1;
        let count = *count;
        if active {
            self.active_quota.update(count);
        }
        self.total_quota.update(count);
        count
    }

    fn member_load(&self, member: &Member) -> usize {
        self.processes
            .get(&member.process)
            .map_or(0, |process| process.member_load(&member.id))
    }

    fn assign_active(&mut self, mut tasks: Vec<Task>) -> Result<(), String> {
        // The current assignment pairs equal partitions (range-based): sort by partition first.
        tasks.sort_by(|a, b| (a.partition, &a.subtopology).cmp(&(b.partition, &b.subtopology)));
        // 1. To the member that had the task active.
        tasks.retain(|task| {
            let Some(member) = self.previous_active.get(task).cloned() else {
                return true;
            };
            if self.member_load(&member) >= self.active_quota.per_member {
                return true;
            }
            self.give(&member, task, true);
            false
        });
        // 2. To a member that had it as a standby.
        tasks.retain(|task| {
            let Some(member) = self.previous_standby_member(task, false) else {
                return true;
            };
            if self.member_load(&member) >= self.active_quota.per_member {
                return true;
            }
            self.give(&member, task, true);
            false
        });
        // 3. The rest to whoever has least.
        tasks.sort();
        for task in tasks {
            let Some(member) = self.least_loaded(None) else {
                return Err(format!(
                    "No process available to assign active task {}_{}.",
                    task.subtopology, task.partition
                ));
            };
            self.give(&member, &task, true);
        }
        Ok(())
    }

    /// The member of the least loaded process (that does not hold `without` already).
    fn least_loaded(&self, without: Option<&Task>) -> Option<Member> {
        let (process, state) = self
            .processes
            .iter()
            .filter(|(_, state)| without.is_none_or(|task| !state.tasks.contains(task)))
            .min_by(|a, b| a.1.load().total_cmp(&b.1.load()))?;
        Some(Member {
            process: process.clone(),
            id: state.least_loaded_member()?,
        })
    }

    /// The least loaded of the members that had `task` as a standby; with `skip_owner` none if the
    /// first of them runs in a process that has the task already.
    fn previous_standby_member(&self, task: &Task, skip_owner: bool) -> Option<Member> {
        let members = self.previous_standby.get(task)?;
        let first = members.first()?;
        let has_task = |member: &Member| {
            skip_owner
                && self
                    .processes
                    .get(&member.process)
                    .is_some_and(|process| process.tasks.contains(task))
        };
        let load = |member: &Member| {
            let process = self.processes.get(&member.process);
            process.map_or(0.0, ProcessState::load)
        };
        let mut candidate = first;
        for member in &members[1..] {
            if load(member) < load(candidate)
                && !has_task(member)
                && self.member_load(member) < self.member_load(candidate)
            {
                candidate = member;
            }
        }
        (!has_task(first)).then(|| candidate.clone())
    }

    fn assign_standby(&mut self, mut tasks: Vec<Task>) {
        tasks.sort_by(|a, b| (b.partition, &b.subtopology).cmp(&(a.partition, &a.subtopology)));
        let mut to_least_loaded = Vec::new();
        for task in tasks {
            for replica in 0..self.standby_replicas {
                if !self.assign_standby_to_previous(&task) {
                    to_least_loaded.push((task, self.standby_replicas - replica));
                    break;
                }
            }
        }
        to_least_loaded.sort_by(|a, b| b.0.cmp(&a.0));
        for (task, replicas) in to_least_loaded {
            for _ in 0..replicas {
                // Not enough processes: fewer standbys, as in Java (which warns).
                let Some(member) = self.least_loaded(Some(&task)) else {
                    break;
                };
                self.give(&member, &task, false);
            }
        }
    }

    fn assign_standby_to_previous(&mut self, task: &Task) -> bool {
        let owns = |assignor: &Self, member: &Member| {
            let process = assignor.processes.get(&member.process);
            process.is_some_and(|process| process.tasks.contains(task))
        };
        if let Some(member) = self.previous_active.get(task).cloned()
            && !owns(self, &member)
            && self.member_load(&member) < self.total_quota.per_member
        {
            self.give(&member, task, false);
            return true;
        }
        if let Some(member) = self.previous_standby_member(task, true)
            && !owns(self, &member)
            && self.member_load(&member) < self.total_quota.per_member
        {
            self.give(&member, task, false);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subtopologies(tasks: i32, stateful: bool) -> Vec<SubtopologySpec> {
        vec![SubtopologySpec {
            id: "0".to_owned(),
            tasks,
            stateful,
        }]
    }

    fn run(
        previous: &BTreeMap<String, Tasks>,
        processes: &[(&str, &str)],
        subtopologies: &[SubtopologySpec],
        standbys: usize,
    ) -> BTreeMap<String, Tasks> {
        let empty = Tasks::default();
        let members = processes.iter().map(|&(member, process_id)| {
            let previous = previous.get(member).unwrap_or(&empty);
            let spec = MemberSpec {
                process_id,
                previous,
            };
            (member.to_owned(), spec)
        });
        assign(&members.collect(), subtopologies, standbys).expect("there are members")
    }

    fn active_counts(assignment: &BTreeMap<String, Tasks>) -> Vec<usize> {
        assignment
            .values()
            .map(|tasks| tasks.active.len())
            .collect()
    }

    #[test]
    fn tasks_are_spread_evenly_and_each_has_one_owner() {
        let members = [("a", "p1"), ("b", "p2"), ("c", "p3")];
        let assignment = run(&BTreeMap::new(), &members, &subtopologies(8, false), 0);
        let mut counts = active_counts(&assignment);
        counts.sort_unstable();
        assert_eq!(counts, [2, 3, 3]);
        let all: BTreeSet<_> = assignment.values().flat_map(|t| t.active.iter()).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn a_joining_member_takes_only_its_share() {
        let first = run(
            &BTreeMap::new(),
            &[("a", "p1")],
            &subtopologies(4, false),
            0,
        );
        let members = [("a", "p1"), ("b", "p2")];
        let second = run(&first, &members, &subtopologies(4, false), 0);
        assert_eq!(active_counts(&second), [2, 2]);
        assert!(second["a"].active.is_subset(&first["a"].active));
    }

    #[test]
    fn a_standby_becomes_the_active_task_of_a_member_that_left() {
        let members = [("a", "p1"), ("b", "p2")];
        let first = run(&BTreeMap::new(), &members, &subtopologies(2, true), 1);
        assert_eq!(first["a"].standby, first["b"].active);
        let second = run(&first, &[("b", "p2")], &subtopologies(2, true), 1);
        assert_eq!(second["b"].active.len(), 2);
        assert!(second["b"].standby.is_empty());
    }

    #[test]
    fn a_standby_never_shares_a_process_with_its_active_task() {
        let members = [("a", "p1"), ("b", "p1"), ("c", "p2")];
        let assignment = run(&BTreeMap::new(), &members, &subtopologies(6, true), 2);
        let of_process = |ids: &[&str]| -> Vec<Task> {
            let tasks = ids.iter().map(|id| &assignment[*id]);
            tasks
                .flat_map(|t| t.active.iter().chain(&t.standby).cloned())
                .collect()
        };
        for ids in [&["a", "b"][..], &["c"][..]] {
            let tasks = of_process(ids);
            let distinct: BTreeSet<_> = tasks.iter().cloned().collect();
            assert_eq!(tasks.len(), distinct.len());
        }
    }

    #[test]
    fn no_member_is_an_error() {
        let error = assign(&BTreeMap::new(), &subtopologies(1, false), 0);
        assert_eq!(
            error.expect_err("no member").as_str(),
            "No process available to assign active task 0_0."
        );
    }
}
