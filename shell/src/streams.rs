//! [`KafkaStreams`]: an application, its threads and its state.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eddyline_core::config::{ConfigError, StreamsConfig};
use eddyline_core::error::StreamsError;
use eddyline_core::rng::SeedTree;
use eddyline_core::state::storage::StorageError;
use eddyline_core::thread::GroupReport;
use eddyline_core::topology::{Topology, TopologyError};
use eddyline_core::trace::LogEvent;
use eddyline_core::wire::Uuid;

use crate::clock::Clock;
use crate::listeners::{
    Listeners, StandbyUpdateListener, StateRestoreListener, UncaughtExceptionResponse,
};
use crate::storages;
use crate::stream_thread::{Application, ThreadListener};
use crate::threads::{Identity, Shared};
use crate::tls::Tls;

/// The state of an application (Java: `KafkaStreams.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Made, not started.
    Created,
    /// Some thread changes its tasks or restores their stores, or has none yet in the beginning.
    Rebalancing,
    /// Every thread that is a member of the group processes.
    Running,
    /// Threads close.
    PendingShutdown,
    /// Closed.
    NotRunning,
    /// A thread failed; the others close.
    PendingError,
    /// Closed after a failure.
    Error,
}

impl State {
    /// Java's word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Rebalancing => "REBALANCING",
            Self::Running => "RUNNING",
            Self::PendingShutdown => "PENDING_SHUTDOWN",
            Self::NotRunning => "NOT_RUNNING",
            Self::PendingError => "PENDING_ERROR",
            Self::Error => "ERROR",
        }
    }

    /// Whether the application has closed, for whatever reason.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::NotRunning | Self::Error)
    }
}

/// Why an application could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The topology cannot be run.
    Topology(TopologyError),
    /// The system gives no threads, sockets or random numbers.
    System(io::Error),
    /// The directory of persistent stores (key: `state.dir`) cannot be used.
    State(StorageError),
    /// Keys contradict each other, or certificates or keys for TLS cannot be read.
    Config(ConfigError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topology(error) => error.fmt(f),
            Self::System(error) => write!(f, "the system gives no threads or sockets: {error}"),
            Self::State(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// Why an application did not close well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// It is still closing: user code did not return, or the brokers do not answer.
    TimedOut,
    /// It had failed before.
    Failed(StreamsError),
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the application did not close in the time given"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CloseError {}

/// An application that was not started yet (Java: `KafkaStreams`).
pub struct KafkaStreams {
    topology: Topology,
    config: StreamsConfig,
    is_paused: bool,
    listeners: Listeners,
}

impl fmt::Debug for KafkaStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStreams")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaStreams {
    /// An application that runs `topology`.
    ///
    /// # Errors
    /// [`StartError::Topology`] for a topology without a source, [`StartError::Config`] for keys
    /// that contradict each other.
    pub fn new(topology: Topology, config: StreamsConfig) -> Result<Self, StartError> {
        config.check_transactions().map_err(StartError::Config)?;
        if topology.subtopology_count() == 0 {
            return Err(StartError::Topology(TopologyError::Empty));
        }
        Ok(Self {
            topology,
            config,
            is_paused: false,
            listeners: Listeners::default(),
        })
    }

    /// Starts paused: see [`RunningStreams::pause`] (Java: `pause()` before `start()`).
    #[must_use]
    pub const fn paused(mut self) -> Self {
        self.is_paused = true;
        self
    }

    /// Calls `listener(new, old)` on every change of state (Java: `KafkaStreams.StateListener`). It
    /// runs on a thread of the application: it must not wait for it.
    #[must_use]
    pub fn with_state_listener(
        mut self,
        listener: impl Fn(State, State) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.state = Some(Box::new(listener));
        self
    }

    /// Calls `listener` for every line of the log; without one nothing is logged.
    #[must_use]
    pub fn with_log_listener(
        mut self,
        listener: impl Fn(&LogEvent) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.log = Some(Box::new(listener));
        self
    }

    /// Tells `listener` how the stores of active tasks are restored (Java:
    /// `setGlobalStateRestoreListener`).
    #[must_use]
    pub fn with_state_restore_listener(
        mut self,
        listener: impl StateRestoreListener + 'static,
    ) -> Self {
        self.listeners.stores.restore = Some(Box::new(listener));
        self
    }

    /// Tells `listener` how the stores of standbys follow their changelogs (Java:
    /// `setStandbyUpdateListener`).
    #[must_use]
    pub fn with_standby_update_listener(
        mut self,
        listener: impl StandbyUpdateListener + 'static,
    ) -> Self {
        self.listeners.stores.standby = Some(Box::new(listener));
        self
    }

    /// Asks `handler` what is to become of the application when a stream thread fails (Java:
    /// `StreamsUncaughtExceptionHandler`); without one the instance stops. It runs on a thread of
    /// the application: it must not wait for it.
    #[must_use]
    pub fn with_uncaught_exception_handler(
        mut self,
        handler: impl Fn(&StreamsError) -> UncaughtExceptionResponse + Send + Sync + 'static,
    ) -> Self {
        self.listeners.uncaught = Some(Box::new(handler));
        self
    }

    /// Removes what this application keeps in its `state.dir`, if it keeps anything: all of it is
    /// restored from the changelogs then (Java: `KafkaStreams.cleanUp`).
    ///
    /// # Errors
    /// When the directory is in use, not of this application, or cannot be removed.
    pub fn clean_up(&self) -> Result<(), StorageError> {
        storages::clean_up(&self.config)
    }

    /// Starts `num.stream.threads` stream threads, each a member of the group `application.id`.
    /// Returns at once; [`RunningStreams::state`] and the listener tell how it goes.
    ///
    /// # Errors
    /// [`StartError::System`] when the system gives no threads, sockets or random numbers,
    /// [`StartError::State`] when the directory of persistent stores cannot be used,
    /// [`StartError::Config`] when TLS or the login cannot be made of what is configured.
    pub fn start(self) -> Result<RunningStreams, StartError> {
        let seed = match self.config.rng_seed() {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| StartError::System(error.into()))?,
        };
        let seed = SeedTree::new(seed);
        let tls = Tls::load(&self.config).map_err(StartError::Config)?;
        self.config.sasl_login().map_err(StartError::Config)?;
        let process_id = Uuid::from_bytes(seed.child("process", 0).rng().bytes16());
        let (storages, process_id) =
            storages::open(&self.topology, &self.config, process_id).map_err(StartError::State)?;
        let topology = Arc::new(self.topology);
        let identity = Identity {
            client_id: self.config.client_id().to_owned(),
            application_id: self.config.application_id().to_owned(),
            process_id: process_id.to_string(),
            level: self.config.metrics_recording_level(),
        };
        let shared = Arc::new(Shared::new(
            identity,
            Arc::clone(&topology),
            topology.subtopologies(&self.config),
            self.is_paused,
            self.listeners,
        ));
        for warning in self.config.warnings() {
            shared.warn(warning.to_string());
        }
        let application = Application {
            topology,
            config: self.config,
            process_id: process_id.to_string().into(),
            seed,
            clock: Clock::start(),
            listener: Arc::clone(&shared) as Arc<dyn ThreadListener>,
            storages,
            tls,
        };
        // Dropping it closes what was started.
        let running = RunningStreams { shared };
        let started = running.shared.start(&application);
        started.map_err(StartError::System)?;
        Ok(running)
    }
}

/// A started application. Dropping it begins to close it without waiting; [`RunningStreams::close`]
/// waits.
pub struct RunningStreams {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for RunningStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningStreams")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl RunningStreams {
    /// Its state now.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// The first error that stopped a thread.
    pub fn error(&self) -> Option<StreamsError> {
        self.shared.error()
    }

    /// Waits until the state is `wanted` or the application has closed, `timeout` at most; gives
    /// the state then.
    pub fn wait_for(&self, wanted: State, timeout: Duration) -> State {
        let until = Instant::now().checked_add(timeout);
        let is_over = |state: State| state == wanted || state.is_closed();
        self.shared.wait_for(until, is_over)
    }

    /// Stops processing, punctuating, restoring and following with standbys, until
    /// [`resume`](Self::resume) (Java: `KafkaStreams.pause`, KIP-834). What was processed is
    /// committed, global stores are filled, queries are answered and the group keeps its members all
    /// the same. Other instances are not told.
    pub fn pause(&self) {
        self.shared.set_paused(true);
    }

    /// Goes on where it paused (Java: `KafkaStreams.resume`).
    pub fn resume(&self) {
        self.shared.set_paused(false);
    }

    /// Whether it is paused (Java: `KafkaStreams.isPaused`).
    pub fn is_paused(&self) -> bool {
        self.shared.is_paused()
    }

    /// Starts one more stream thread, another member of the group, and gives its name; the others
    /// leave it a part of their memory (Java: `KafkaStreams.addStreamThread`, KIP-663). `None` when
    /// the application is neither [`State::Running`] nor [`State::Rebalancing`].
    ///
    /// # Errors
    /// [`StartError::System`] when the system gives no thread or sockets.
    pub fn add_stream_thread(&self) -> Result<Option<String>, StartError> {
        self.shared.add_thread().map_err(StartError::System)
    }

    /// Ends a stream thread as a close does, waits for it, `timeout` at most, and gives its name;
    /// the others get its tasks and its memory (Java: `KafkaStreams.removeStreamThread`, KIP-663).
    /// `None` when there is none, or the application is neither [`State::Running`] nor
    /// [`State::Rebalancing`]. On a stream thread it is another one that ends, if there is any.
    ///
    /// # Errors
    /// [`CloseError::TimedOut`] when the thread is still about to end.
    pub fn remove_stream_thread(&self, timeout: Duration) -> Result<Option<String>, CloseError> {
        let until = Instant::now().checked_add(timeout);
        let removed = self.shared.remove_thread(until);
        removed.map_err(|()| CloseError::TimedOut)
    }

    /// What each of its members of the group shows: epoch, tasks, positions and lag.
    pub fn reports(&self) -> Vec<GroupReport> {
        let threads = self.shared.threads();
        threads
            .iter()
            .filter_map(|thread| thread.report())
            .collect()
    }

    /// Closes gracefully: tasks commit and close, the group is left. Waits `timeout` at most; what
    /// was not committed by then is processed again by whoever gets the tasks.
    ///
    /// # Errors
    /// [`CloseError::Failed`] with the error that stopped it before, [`CloseError::TimedOut`] when
    /// it is still closing.
    pub fn close(self, timeout: Duration) -> Result<(), CloseError> {
        self.shared.begin_close(timeout);
        let until = Instant::now().checked_add(timeout.saturating_add(CLOSE_GRACE));
        let state = self.shared.wait_for(until, State::is_closed);
        if let Some(error) = self.error() {
            return Err(CloseError::Failed(error));
        }
        if !state.is_closed() {
            return Err(CloseError::TimedOut);
        }
        self.shared.join(until);
        Ok(())
    }
}

impl Drop for RunningStreams {
    fn drop(&mut self) {
        self.shared.begin_close(DROPPED_CLOSE_TIMEOUT);
    }
}

/// Time for what follows the tasks of threads that close: leaving the group.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Time for tasks to commit when nobody waits for it.
const DROPPED_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
