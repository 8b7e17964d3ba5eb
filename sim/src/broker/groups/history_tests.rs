//! Random histories of a group: an active task is never in the hands of two members.

use std::collections::{BTreeMap, BTreeSet};

use eddyline_core::time::Instant;
use eddyline_core::wire::Uuid;
use eddyline_core::wire::streams_group::*;
use proptest::prelude::*;

use super::tasks::{from_wire, to_wire};
use super::*;

const GROUP: &str = "g";
const TASKS: i32 = 5;

struct OneTopic;

impl TopicsView for OneTopic {
    fn topic(&self, _: &str) -> Option<(Uuid, i32)> {
        Some((Uuid::from_u128(1), TASKS))
    }

    fn version(&self) -> u64 {
        0
    }
}

/// A member as a careful client plays it. It owns what it was given until it has given it up, and
/// reports that; while it is still to apply an answer it reports nothing, because tasks it is about
/// to own count as owned too. After a lost answer it gives everything up and joins again, because
/// the coordinator does not repeat what it has told once.
#[derive(Clone, Debug, Default)]
struct Client {
    epoch: i32,
    owned: Tasks,
    told: Option<Tasks>,
    /// Nothing was applied since the last report.
    reported: bool,
    /// The last answer was lost.
    uncertain: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// Joins, or joins again without tasks.
    Join(usize),
    /// Sends a heartbeat; the answer gets lost or not.
    Beat {
        member: usize,
        lost: bool,
    },
    /// Does what the last answer said: drops tasks at once, takes new ones.
    Apply(usize),
    Leave(usize),
    /// Dies silently.
    Crash(usize),
    Advance(u32),
    Standbys(u32),
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = 0..4_usize;
    let step = prop_oneof![
        3 => member.clone().prop_map(Step::Join),
        12 => (member.clone(), prop::bool::weighted(0.15))
            .prop_map(|(member, lost)| Step::Beat { member, lost }),
        10 => member.clone().prop_map(Step::Apply),
        1 => member.clone().prop_map(Step::Leave),
        1 => member.prop_map(Step::Crash),
        2 => prop_oneof![1_u32..2_000, 2_000_u32..12_000].prop_map(Step::Advance),
        1 => (0_u32..3).prop_map(Step::Standbys),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..120)
}

struct World {
    groups: Groups,
    config: GroupConfig,
    clients: BTreeMap<usize, Client>,
    now_ms: u64,
}

fn member_id(member: usize) -> String {
    format!("m{member}")
}

impl World {
    fn new(delay_ms: u32) -> Self {
        let config = GroupConfig {
            session_timeout_ms: 10_000,
            initial_rebalance_delay_ms: delay_ms,
            assignment_interval_ms: 0,
            ..GroupConfig::default()
        };
        Self {
            groups: Groups::new(config.clone()),
            config,
            clients: BTreeMap::new(),
            now_ms: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO.plus_ms(self.now_ms)
    }

    fn send(&mut self, request: &StreamsGroupHeartbeatRequest) -> StreamsGroupHeartbeatResponse {
        let from = Requester {
            client_id: "c",
            client_host: "h",
        };
        let now = self.now();
        self.groups
            .heartbeat(now, from, request, &OneTopic)
            .response
    }

    fn join(&mut self, member: usize) {
        let changelog = TopicInfo {
            name: "log".to_owned(),
            ..TopicInfo::default()
        };
        let subtopology = Subtopology {
            subtopology_id: "0".to_owned(),
            source_topics: vec!["in".to_owned()],
            state_changelog_topics: vec![changelog],
            ..Subtopology::default()
        };
        let request = StreamsGroupHeartbeatRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id(member),
            rebalance_timeout_ms: 8_000,
            topology: Some(Topology {
                epoch: 0,
                subtopologies: vec![subtopology],
            }),
            active_tasks: Some(Vec::new()),
            standby_tasks: Some(Vec::new()),
            warmup_tasks: Some(Vec::new()),
            // Members 0 and 1 share a process.
            process_id: Some(format!("p{}", member.max(1))),
            ..StreamsGroupHeartbeatRequest::default()
        };
        self.clients.insert(member, Client::default());
        let response = self.send(&request);
        self.receive(member, &response);
    }

    fn beat(&mut self, member: usize, lost: bool) {
        let Some(client) = self.clients.get(&member).cloned() else {
            return;
        };
        if client.uncertain {
            return self.join(member);
        }
        let report = !client.reported && client.told.is_none();
        let owned = |tasks: &BTreeSet<Task>| report.then(|| to_wire(tasks));
        let request = StreamsGroupHeartbeatRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id(member),
            member_epoch: client.epoch,
            rebalance_timeout_ms: -1,
            active_tasks: owned(&client.owned.active),
            standby_tasks: owned(&client.owned.standby),
            warmup_tasks: owned(&client.owned.warmup),
            ..StreamsGroupHeartbeatRequest::default()
        };
        let response = self.send(&request);
        if let Some(client) = self.clients.get_mut(&member) {
            client.reported |= report;
            client.uncertain = lost;
        }
        if !lost {
            self.receive(member, &response);
        }
    }

    fn receive(&mut self, member: usize, response: &StreamsGroupHeartbeatResponse) {
        let Some(client) = self.clients.get_mut(&member) else {
            return;
        };
        if response.error_code != 0 {
            // Fenced or unknown: everything is given up, and the member must join again.
            self.clients.remove(&member);
            return;
        }
        client.epoch = response.member_epoch;
        if let (Some(active), Some(standby)) = (&response.active_tasks, &response.standby_tasks) {
            client.told = Some(Tasks {
                active: from_wire(active),
                standby: from_wire(standby),
                warmup: BTreeSet::new(),
            });
        }
    }

    fn apply(&mut self, member: usize) {
        if let Some(client) = self.clients.get_mut(&member)
            && let Some(told) = client.told.take()
        {
            client.owned = told;
            client.reported = false;
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(member) => self.join(member),
            Step::Beat { member, lost } => self.beat(member, lost),
            Step::Apply(member) => self.apply(member),
            Step::Leave(member) => {
                if self.clients.remove(&member).is_some() {
                    self.send(&StreamsGroupHeartbeatRequest {
                        group_id: GROUP.to_owned(),
                        member_id: member_id(member),
                        member_epoch: -1,
                        ..StreamsGroupHeartbeatRequest::default()
                    });
                }
            }
            Step::Crash(member) => {
                self.clients.remove(&member);
            }
            Step::Advance(ms) => {
                self.now_ms += u64::from(ms);
                let now = self.now();
                self.groups.handle_timeout(now);
                // A client that cannot reach the coordinator for a session gives up its tasks.
                let group = self.groups.streams(GROUP);
                self.clients.retain(|member, _| {
                    group.is_some_and(|group| group.members().contains_key(&member_id(*member)))
                });
            }
            Step::Standbys(count) => {
                self.config.num_standby_replicas = count;
                self.groups.set_config(GROUP, self.config.clone());
            }
            Step::Reload => {
                let now = self.now();
                self.groups.reload(now, GROUP);
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut owners: BTreeMap<&Task, usize> = BTreeMap::new();
        for (member, client) in &self.clients {
            for task in &client.owned.active {
                let before = owners.insert(task, *member);
                prop_assert_eq!(before, None, "two members own {:?}", task);
            }
        }
        Ok(())
    }

    /// Everybody beats and applies until nothing changes.
    fn settle(&mut self) {
        for _ in 0..30 {
            self.now_ms += 200;
            let now = self.now();
            self.groups.handle_timeout(now);
            for member in self.clients.keys().copied().collect::<Vec<_>>() {
                self.beat(member, false);
                self.apply(member);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn an_active_task_never_has_two_owners(delay in prop_oneof![Just(0_u32), Just(3_000)], steps in steps()) {
        let mut world = World::new(delay);
        for step in &steps {
            world.step(step);
            world.check()?;
        }
        // Members that died silently are out after their session; the rest shares all tasks.
        world.settle();
        world.step(&Step::Advance(4_000));
        world.settle();
        world.settle();
        world.check()?;
        if !world.clients.is_empty() {
            let owned: usize = world.clients.values().map(|client| client.owned.active.len()).sum();
            prop_assert_eq!(owned, TASKS as usize);
            let group = world.groups.streams(GROUP).expect("it has members");
            prop_assert_eq!(group.state(), GroupState::Stable);
        }
    }
}
