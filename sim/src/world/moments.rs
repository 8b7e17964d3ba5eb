//! Faults at chosen moments: between a request and its answer, between an answer and what the task
//! runner makes of it, in the middle of a revocation, a restore or a promotion.

use bytes::Bytes;
use eddyline_core::rng::Rng;
use eddyline_core::task::TaskState;
use eddyline_core::thread::{RunnerEvent, SuspendReason};
use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::ApiKey;

use super::engine::World;
use super::events::Event;

/// A moment in the life of a stream thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It sends a request.
    Asks(ApiKey),
    /// The cluster has done what it asked for, and answers.
    Answers(ApiKey),
    /// Its client has the answer, its task runner has not.
    Answered(ApiKey),
    /// A task gets into a state.
    Enters(TaskState),
    /// Some of a changelog is restored.
    Restores,
    /// A changelog is read to its end.
    Restored,
    /// A standby becomes an active task.
    Promoted,
}

/// What goes wrong then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The instance vanishes.
    Crash,
    /// The instance stands still.
    Pause,
    /// The connection breaks at any byte; with `late`, all that was on its way to the cluster
    /// arrives at the end: behind what is sent again over another connection.
    Cut { late: bool },
    /// Other nodes coordinate.
    MoveCoordinators(BrokerId),
    /// The coordinator finds that every open transaction takes too long.
    TimeOut,
}

/// A fault that waits for its moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtMoment {
    pub(super) moment: Moment,
    /// So many moments of the kind pass first.
    pub(super) skip: u32,
    pub(super) act: Act,
    /// How often it goes wrong, each time the moment comes.
    pub(super) times: u32,
    /// How long it lasts.
    pub(super) length_ms: u64,
}

/// The moments of any commit, revocation and restore.
const MOMENTS: &[Moment] = &[
    Moment::Asks(ApiKey::Produce),
    Moment::Answers(ApiKey::Produce),
    Moment::Answers(ApiKey::OffsetFetch),
    Moment::Enters(TaskState::Suspended),
    Moment::Enters(TaskState::Closed),
    Moment::Enters(TaskState::Restoring),
    Moment::Restored,
    Moment::Enters(TaskState::Running),
];

/// The moments at which a task goes from one member to another.
const HAND_OVERS: &[Moment] = &[
    Moment::Asks(ApiKey::StreamsGroupHeartbeat),
    Moment::Answers(ApiKey::StreamsGroupHeartbeat),
    Moment::Answered(ApiKey::StreamsGroupHeartbeat),
    Moment::Asks(ApiKey::OffsetFetch),
    Moment::Answers(ApiKey::ListOffsets),
    Moment::Enters(TaskState::Suspended),
    Moment::Restores,
    Moment::Restored,
    Moment::Promoted,
    Moment::Promoted,
];

/// The moments of a commit of offsets alone.
const OFFSETS: &[Moment] = &[
    Moment::Asks(ApiKey::OffsetCommit),
    Moment::Answers(ApiKey::OffsetCommit),
    Moment::Answered(ApiKey::OffsetCommit),
];

/// The moments of a transaction; an end counts more often than what comes before it.
const TRANSACTIONS: &[Moment] = &[
    Moment::Asks(ApiKey::InitProducerId),
    Moment::Answers(ApiKey::InitProducerId),
    Moment::Asks(ApiKey::AddPartitionsToTxn),
    Moment::Answers(ApiKey::AddPartitionsToTxn),
    Moment::Asks(ApiKey::AddOffsetsToTxn),
    Moment::Asks(ApiKey::TxnOffsetCommit),
    Moment::Answers(ApiKey::TxnOffsetCommit),
    Moment::Asks(ApiKey::EndTxn),
    Moment::Asks(ApiKey::EndTxn),
    Moment::Asks(ApiKey::EndTxn),
    Moment::Answers(ApiKey::EndTxn),
    Moment::Answers(ApiKey::EndTxn),
    Moment::Answered(ApiKey::EndTxn),
    Moment::Answered(ApiKey::EndTxn),
];

impl AtMoment {
    /// Any of a commit, and some of what comes before and after; under at-least-once, where members
    /// must not be lost, one that loses none.
    pub(super) fn draw(rng: &mut Rng, brokers: u16, is_rough: bool, is_exactly_once: bool) -> Self {
        let own = if is_exactly_once {
            TRANSACTIONS
        } else {
            OFFSETS
        };
        let moments = if rng.chance(1, 3) { MOMENTS } else { own };
        Self::draw_of(moments, rng, brokers, is_rough, is_exactly_once)
    }

    /// The same of a task that is handed over.
    pub(super) fn draw_hand_over(
        rng: &mut Rng,
        brokers: u16,
        is_rough: bool,
        is_exactly_once: bool,
    ) -> Self {
        Self::draw_of(HAND_OVERS, rng, brokers, is_rough, is_exactly_once)
    }

    fn draw_of(
        moments: &[Moment],
        rng: &mut Rng,
        brokers: u16,
        is_rough: bool,
        is_exactly_once: bool,
    ) -> Self {
        let moment = moments[rng.below(moments.len() as u64) as usize];
        let node = BrokerId(1 + rng.below(u64::from(brokers)) as i32);
        let kinds = match (is_rough, is_exactly_once) {
            (true, _) => 12,
            (false, true) => 8,
            (false, false) => 3,
        };
        let act = match rng.below(kinds) {
            0 => Act::MoveCoordinators(node),
            1 | 2 => Act::Cut { late: false },
            3..=5 => Act::Cut { late: true },
            6 | 7 => Act::TimeOut,
            8 | 9 => Act::Crash,
            _ => Act::Pause,
        };
        let is_short = rng.chance(1, 2);
        let most_ms = match is_rough {
            _ if is_short => 400,
            true => 9_000,
            false => 1_000,
        };
        Self {
            moment,
            skip: rng.below(12) as u32,
            act,
            times: 1 + rng.below(3) as u32,
            length_ms: 5 + rng.below(most_ms),
        }
    }
}

/// What has come of the faults that wait for a moment.
#[derive(Default)]
pub(super) struct Moments {
    /// By their numbers in the schedule, until when, and how many moments are to pass.
    armed: Vec<(usize, Instant, AtMoment)>,
    /// The moment is there: carried out as soon as the machines stand still.
    due: Vec<Due>,
}

struct Due {
    until: Instant,
    act: Act,
    thread: u64,
    connection: Option<u64>,
}

impl Moments {
    pub(super) fn arm(&mut self, index: usize, until: Instant, fault: AtMoment) {
        self.armed.push((index, until, fault));
    }

    pub(super) fn disarm(&mut self, index: usize) {
        self.armed.retain(|(armed, ..)| *armed != index);
    }

    fn come(&mut self, now: Instant, moment: Moment, thread: u64, connection: Option<u64>) {
        self.armed.retain_mut(|(_, until, fault)| {
            if fault.moment != moment {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return true;
            }
            self.due.push(Due {
                until: now.plus_ms(fault.length_ms).min(*until),
                act: fault.act,
                thread,
                connection,
            });
            fault.times -= 1;
            fault.times > 0
        });
    }
}

/// The API of a request and the number that its answer will bear.
fn asked(frame: &Bytes) -> Option<(i32, ApiKey)> {
    let api = frame.get(4..6)?.first_chunk()?;
    let correlation = frame.get(8..12)?.first_chunk()?;
    let api = ApiKey::try_from(i16::from_be_bytes(*api)).ok()?;
    Some((i32::from_be_bytes(*correlation), api))
}

impl World<'_> {
    /// A thread sends a frame.
    pub(super) fn note_request(&mut self, thread: u64, connection: u64, frame: &Bytes) {
        let (Some((correlation, api)), Some(open)) =
            (asked(frame), self.connections.get_mut(&connection))
        else {
            return;
        };
        open.asked.insert(correlation, api);
        let moment = Moment::Asks(api);
        self.moments
            .come(self.now, moment, thread, Some(connection));
    }

    /// The cluster sends a frame.
    pub(super) fn note_answer(&mut self, connection: u64, frame: &Bytes) {
        let correlation = frame.get(4..8).and_then(|bytes| bytes.first_chunk());
        let (Some(correlation), Some(open)) = (correlation, self.connections.get_mut(&connection))
        else {
            return;
        };
        let api = open.asked.remove(&i32::from_be_bytes(*correlation));
        let thread = open.thread;
        if let Some(api) = api {
            open.answers.push(api);
            let moment = Moment::Answers(api);
            self.moments
                .come(self.now, moment, thread, Some(connection));
        }
    }

    /// All that was sent to a client so far has arrived.
    pub(super) fn note_arrived(&mut self, connection: u64) {
        let Some(open) = self.connections.get_mut(&connection) else {
            return;
        };
        if open.to_client.bytes_under_way() > 0 {
            return;
        }
        let thread = open.thread;
        for api in std::mem::take(&mut open.answers) {
            let moment = Moment::Answered(api);
            self.moments
                .come(self.now, moment, thread, Some(connection));
        }
    }

    pub(super) fn note_runner_event(&mut self, thread: u64, event: &RunnerEvent) {
        let moment = match event {
            RunnerEvent::TaskStateChanged { to, .. } => Moment::Enters(*to),
            RunnerEvent::RestoreBatch { .. } => Moment::Restores,
            RunnerEvent::RestoreEnded { .. } => Moment::Restored,
            RunnerEvent::StandbySuspended {
                reason: SuspendReason::Promoted,
                ..
            } => Moment::Promoted,
            _ => return,
        };
        self.moments.come(self.now, moment, thread, None);
    }

    /// Carries out the faults whose moment has come.
    pub(super) fn carry_out_moments(&mut self) {
        for due in std::mem::take(&mut self.moments.due) {
            let Some(thread) = self.threads.get(&due.thread) else {
                continue;
            };
            let (instance, any) = (thread.instance, thread.connections.values().next().copied());
            let (act, until, now) = (due.act, due.until, self.broker_clock());
            let text = format!("{act:?} until {until}");
            self.trace.note(self.now, "moment", due.thread, &text);
            match act {
                Act::Crash => {
                    self.crash(instance);
                    self.queue.add(until, Event::Start { instance });
                }
                Act::Pause => self.pause(instance, until),
                Act::Cut { late } => {
                    if let Some(connection) = due.connection.or(any) {
                        self.cut(connection, late.then_some(until));
                    }
                }
                Act::MoveCoordinators(node) => self.move_coordinators(node),
                Act::TimeOut => self.broker.expire_transactions(now),
            }
        }
    }
}
