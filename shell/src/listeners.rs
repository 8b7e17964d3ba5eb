//! Who is told what happens.

use eddyline_core::error::StreamsError;
use eddyline_core::thread::{RunnerEvent, SuspendReason};
use eddyline_core::trace::LogEvent;
use eddyline_core::types::TopicPartition;

use crate::streams::State;

/// What becomes of an application when a stream thread fails (Java:
/// `StreamThreadExceptionResponse`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UncaughtExceptionResponse {
    /// Another thread takes the place of the one that failed: what was not committed is processed
    /// again, and may fail again.
    ReplaceThread,
    /// This instance stops: its other threads commit and close.
    #[default]
    ShutdownClient,
    /// Every instance of the application stops.
    ShutdownApplication,
}

/// Is told how the stores of active tasks are restored (Java: `StateRestoreListener`). It runs on
/// stream threads, several at once: it must not wait for them.
pub trait StateRestoreListener: Send + Sync {
    /// Restoring begins at an offset of the changelog, which ends at `ending_offset`.
    fn on_restore_start(
        &self,
        changelog: &TopicPartition,
        store: &str,
        starting_offset: i64,
        ending_offset: i64,
    ) {
        let _ = (changelog, store, starting_offset, ending_offset);
    }

    /// Some records were restored, up to before `next_offset`.
    fn on_batch_restored(
        &self,
        changelog: &TopicPartition,
        store: &str,
        next_offset: i64,
        records: u64,
    ) {
        let _ = (changelog, store, next_offset, records);
    }

    /// The store is restored.
    fn on_restore_end(&self, changelog: &TopicPartition, store: &str, total_records: u64) {
        let _ = (changelog, store, total_records);
    }

    /// The task was taken away before its store was restored.
    fn on_restore_suspended(&self, changelog: &TopicPartition, store: &str, total_records: u64) {
        let _ = (changelog, store, total_records);
    }
}

/// Is told how the stores of standbys follow their changelogs (Java: `StandbyUpdateListener`,
/// KIP-988). It runs on stream threads, several at once: it must not wait for them.
pub trait StandbyUpdateListener: Send + Sync {
    /// A standby follows a changelog from an offset on.
    fn on_update_start(&self, changelog: &TopicPartition, store: &str, starting_offset: i64) {
        let _ = (changelog, store, starting_offset);
    }

    /// Some records were applied, up to before `next_offset`, of a changelog that ends at
    /// `end_offset`.
    fn on_batch_loaded(
        &self,
        changelog: &TopicPartition,
        store: &str,
        next_offset: i64,
        records: u64,
        end_offset: i64,
    ) {
        let _ = (changelog, store, next_offset, records, end_offset);
    }

    /// A changelog is followed no longer. Whether the task came back as an active one may show up
    /// to a minute after it was taken away.
    fn on_update_suspended(
        &self,
        changelog: &TopicPartition,
        store: &str,
        next_offset: i64,
        end_offset: i64,
        reason: SuspendReason,
    ) {
        let _ = (changelog, store, next_offset, end_offset, reason);
    }
}

type StateListener = dyn Fn(State, State) + Send + Sync;
type UncaughtExceptionHandler = dyn Fn(&StreamsError) -> UncaughtExceptionResponse + Send + Sync;
type LogListener = dyn Fn(&LogEvent) + Send + Sync;

/// The listeners of an application.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) state: Option<Box<StateListener>>,
    pub(crate) log: Option<Box<LogListener>>,
    pub(crate) uncaught: Option<Box<UncaughtExceptionHandler>>,
    pub(crate) stores: StoreListeners,
}

/// Those of its stores.
#[derive(Default)]
pub(crate) struct StoreListeners {
    pub(crate) restore: Option<Box<dyn StateRestoreListener>>,
    pub(crate) standby: Option<Box<dyn StandbyUpdateListener>>,
}

impl StoreListeners {
    pub(crate) fn tell(&self, event: &RunnerEvent) {
        if let Some(listener) = &self.restore {
            tell_restore(listener.as_ref(), event);
        }
        if let Some(listener) = &self.standby {
            tell_standby(listener.as_ref(), event);
        }
    }
}

fn tell_restore(listener: &dyn StateRestoreListener, event: &RunnerEvent) {
    match event {
        RunnerEvent::RestoreStarted {
            store,
            partition,
            offset,
            end,
        } => listener.on_restore_start(partition, store, *offset, *end),
        RunnerEvent::RestoreBatch { position, records } => {
            let (changelog, next) = (&position.partition, position.position);
            listener.on_batch_restored(changelog, &position.store, next, *records);
        }
        RunnerEvent::RestoreEnded {
            store,
            partition,
            records,
        } => listener.on_restore_end(partition, store, *records),
        RunnerEvent::RestoreSuspended { position, records } => {
            listener.on_restore_suspended(&position.partition, &position.store, *records);
        }
        _ => {}
    }
}

fn tell_standby(listener: &dyn StandbyUpdateListener, event: &RunnerEvent) {
    match event {
        RunnerEvent::StandbyStarted { position } => {
            listener.on_update_start(&position.partition, &position.store, position.position);
        }
        RunnerEvent::StandbyBatchLoaded {
            position: at,
            records,
        } => listener.on_batch_loaded(&at.partition, &at.store, at.position, *records, at.end),
        RunnerEvent::StandbySuspended {
            position: at,
            reason,
        } => listener.on_update_suspended(&at.partition, &at.store, at.position, at.end, *reason),
        _ => {}
    }
}
