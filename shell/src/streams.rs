//! [`KafkaStreams`]: an application, its threads and its state.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::rng::SeedTree;
use eddyline_core::state::storage::StorageError;
use eddyline_core::thread::{ClientEvent, GroupReport, RunnerEvent, ThreadState};
use eddyline_core::topology::{Subtopology, Topology, TopologyError};
use eddyline_core::trace::{Level, LogEvent};
use eddyline_core::wire::Uuid;

use crate::clock::Clock;
use crate::storages;
use crate::stream_thread::{Application, StreamThread, ThreadListener};

/// The state of an application (Java: `KafkaStreams.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Made, not started.
    Created,
    /// Some thread has no assignment yet, or restores its stores.
    Rebalancing,
    /// Every thread processes.
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
    /// Whether the application has closed, for whatever reason.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::NotRunning | Self::Error)
    }
}

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
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topology(error) => error.fmt(f),
            Self::System(error) => write!(f, "the system gives no threads or sockets: {error}"),
            Self::State(error) => error.fmt(f),
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

type StateListener = dyn Fn(State, State) + Send + Sync;
type UncaughtExceptionHandler = dyn Fn(&StreamsError) -> UncaughtExceptionResponse + Send + Sync;
type LogListener = dyn Fn(&LogEvent) + Send + Sync;

/// An application that was not started yet (Java: `KafkaStreams`).
pub struct KafkaStreams {
    topology: Topology,
    config: StreamsConfig,
    state_listener: Option<Box<StateListener>>,
    log_listener: Option<Box<LogListener>>,
    uncaught: Option<Box<UncaughtExceptionHandler>>,
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
    /// [`StartError::Topology`] for a topology without a source.
    pub fn new(topology: Topology, config: StreamsConfig) -> Result<Self, StartError> {
        if topology.subtopology_count() == 0 {
            return Err(StartError::Topology(TopologyError::Empty));
        }
        Ok(Self {
            topology,
            config,
            state_listener: None,
            log_listener: None,
            uncaught: None,
        })
    }

    /// Calls `listener(new, old)` on every change of state (Java: `KafkaStreams.StateListener`). It
    /// runs on a thread of the application: it must not wait for it.
    #[must_use]
    pub fn with_state_listener(
        mut self,
        listener: impl Fn(State, State) + Send + Sync + 'static,
    ) -> Self {
        self.state_listener = Some(Box::new(listener));
        self
    }

    /// Calls `listener` for every line of the log; without one nothing is logged.
    #[must_use]
    pub fn with_log_listener(
        mut self,
        listener: impl Fn(&LogEvent) + Send + Sync + 'static,
    ) -> Self {
        self.log_listener = Some(Box::new(listener));
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
        self.uncaught = Some(Box::new(handler));
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
    /// [`StartError::State`] when the directory of persistent stores cannot be used.
    pub fn start(self) -> Result<RunningStreams, StartError> {
        let seed = match self.config.rng_seed() {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| StartError::System(error.into()))?,
        };
        let seed = SeedTree::new(seed);
        let storages = storages::open(&self.topology, &self.config).map_err(StartError::State)?;
        let threads = self.config.num_stream_threads();
        let topology = Arc::new(self.topology);
        let shared = Arc::new(Shared {
            topology: Arc::clone(&topology),
            subtopologies: topology.subtopologies(&self.config),
            inner: Mutex::new(Inner {
                state: State::Created,
                threads: vec![ThreadState::Created; threads],
                error: None,
                handles: Vec::new(),
                to_replace: BTreeSet::new(),
                replaced: 0,
                application: None,
            }),
            changed: Condvar::new(),
            state_listener: self.state_listener,
            log_listener: self.log_listener,
            uncaught: self.uncaught,
        });
        let process_id = Uuid::from_bytes(seed.child("process", 0).rng().bytes16());
        let application = Application {
            topology,
            config: self.config,
            process_id: process_id.to_string().into(),
            seed,
            clock: Clock::start(),
            listener: Arc::clone(&shared) as Arc<dyn ThreadListener>,
            storages,
        };
        shared.change(|inner| {
            inner.state = State::Rebalancing;
            inner.application = Some(application.clone());
        });
        let running = RunningStreams { shared };
        for index in 0..threads {
            // Dropping what was started closes it.
            let thread = StreamThread::start(&application, index).map_err(StartError::System)?;
            running.shared.lock().handles.push(Arc::new(thread));
        }
        // A thread may have failed before the others were there to be told.
        let failed = running.shared.lock().error.is_some();
        if failed {
            running.shared.close_threads(0);
        }
        Ok(running)
    }
}

/// What the application's threads and its owner share.
pub(crate) struct Shared {
    topology: Arc<Topology>,
    subtopologies: Vec<Subtopology>,
    inner: Mutex<Inner>,
    changed: Condvar,
    state_listener: Option<Box<StateListener>>,
    log_listener: Option<Box<LogListener>>,
    uncaught: Option<Box<UncaughtExceptionHandler>>,
}

struct Inner {
    state: State,
    threads: Vec<ThreadState>,
    error: Option<StreamsError>,
    handles: Vec<Arc<StreamThread>>,
    /// Failed threads in whose place others are started once they are dead.
    to_replace: BTreeSet<usize>,
    replaced: u64,
    /// To start threads with, until it has closed.
    application: Option<Application>,
}

impl Inner {
    /// The state that follows from those of the threads.
    fn settle(&mut self) {
        let all = |state| self.threads.iter().all(|thread| *thread == state);
        self.state = match self.state {
            State::PendingShutdown if all(ThreadState::Dead) => State::NotRunning,
            State::PendingError if all(ThreadState::Dead) => State::Error,
            State::Rebalancing | State::Running if all(ThreadState::Running) => State::Running,
            State::Running => State::Rebalancing,
            state => state,
        };
        if self.state.is_closed() {
            // It holds this, so that neither would ever be dropped.
            self.application = None;
        }
    }
}

impl Shared {
    /// No code of a user runs under the lock, so that a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells the listener and whoever waits.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        let old = inner.state;
        change(&mut inner);
        inner.settle();
        let new = inner.state;
        drop(inner);
        self.changed.notify_all();
        if old != new
            && let Some(listener) = &self.state_listener
        {
            listener(new, old);
        }
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(crate) fn subtopologies(&self) -> &[Subtopology] {
        &self.subtopologies
    }

    /// True while queries may be answered.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.lock().state, State::Running | State::Rebalancing)
    }

    pub(crate) fn handles(&self) -> Vec<Arc<StreamThread>> {
        self.lock().handles.clone()
    }

    fn close_threads(&self, timeout_ms: u64) {
        for thread in self.handles() {
            thread.close(timeout_ms);
        }
    }

    fn log(&self, thread_index: usize, event: &LogEvent) {
        if let Some(listener) = &self.log_listener {
            let message = format!("stream thread {}: {}", thread_index + 1, event.message);
            listener(&LogEvent::new(event.level, message));
        }
    }

    /// True asks for the whole application to stop.
    fn failed(&self, thread_index: usize, error: StreamsError) -> bool {
        self.log(
            thread_index,
            &LogEvent::new(Level::Error, error.to_string()),
        );
        let response = match (&self.uncaught, &error) {
            // The group's word is not for one thread to answer.
            (_, StreamsError::ShutdownRequested) | (None, _) => {
                UncaughtExceptionResponse::ShutdownClient
            }
            (Some(handler), _) => handler(&error),
        };
        if response == UncaughtExceptionResponse::ReplaceThread && self.is_running() {
            self.lock().to_replace.insert(thread_index);
            return false;
        }
        self.stop(error);
        response == UncaughtExceptionResponse::ShutdownApplication
    }

    /// Starts a thread in the place of one that is dead, if it is to be replaced.
    fn replace(&self, thread_index: usize) {
        let mut inner = self.lock();
        let wanted = inner.to_replace.remove(&thread_index);
        let runs = matches!(inner.state, State::Running | State::Rebalancing);
        let Some(mut application) = inner.application.clone().filter(|_| wanted && runs) else {
            return;
        };
        inner.replaced += 1;
        // A member of its own, with an id of its own.
        application.seed = application.seed.child("replacement", inner.replaced);
        drop(inner);
        let thread = match StreamThread::start(&application, thread_index) {
            Ok(thread) => Arc::new(thread),
            Err(error) => {
                let error = format!("the system gives no thread: {error}");
                return self.stop(StreamsError::Unreachable(error));
            }
        };
        let mut inner = self.lock();
        // A thread may fail before the one that starts it has put it in its place.
        match inner.handles.get_mut(thread_index) {
            Some(place) => *place = Arc::clone(&thread),
            None => inner.handles.push(Arc::clone(&thread)),
        }
        let runs = matches!(inner.state, State::Running | State::Rebalancing);
        drop(inner);
        if !runs {
            // The others were told while it started.
            thread.close(FAILED_CLOSE_TIMEOUT_MS);
        }
    }

    /// Stops this instance because of an error.
    fn stop(&self, error: StreamsError) {
        self.change(|inner| {
            if !inner.state.is_closed() {
                inner.state = State::PendingError;
            }
            inner.error.get_or_insert(error);
        });
        self.close_threads(FAILED_CLOSE_TIMEOUT_MS);
    }
}

/// Time for the threads beside a failed one to commit.
const FAILED_CLOSE_TIMEOUT_MS: u64 = 30_000;

impl ThreadListener for Shared {
    fn client_event(&self, thread_index: usize, event: ClientEvent) -> bool {
        match event {
            ClientEvent::StateChanged { from, to } => {
                let message = format!("goes from {from:?} to {to:?}");
                self.log(thread_index, &LogEvent::new(Level::Info, message));
                self.change(|inner| inner.threads[thread_index] = to);
                if to == ThreadState::Dead {
                    self.replace(thread_index);
                }
            }
            ClientEvent::Log(event) => self.log(thread_index, &event),
            ClientEvent::Unreachable(message) => {
                self.log(thread_index, &LogEvent::new(Level::Warn, message));
            }
            ClientEvent::Failed(error) => return self.failed(thread_index, error),
            _ => {}
        }
        false
    }

    fn runner_event(&self, thread_index: usize, event: RunnerEvent) {
        let event = match event {
            RunnerEvent::Log(event) => event,
            RunnerEvent::TaskStateChanged { task, from, to } => LogEvent::new(
                Level::Info,
                format!("task {task} goes from {from:?} to {to:?}"),
            ),
            RunnerEvent::RestoreStarted {
                partition,
                offset,
                end,
            } => LogEvent::new(
                Level::Info,
                format!("restores {partition} from offset {offset} to {end}"),
            ),
            RunnerEvent::RestoreEnded { partition, records } => LogEvent::new(
                Level::Info,
                format!("restored {records} records of {partition}"),
            ),
            _ => return,
        };
        self.log(thread_index, &event);
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
        self.shared.lock().state
    }

    /// The first error that stopped a thread.
    pub fn error(&self) -> Option<StreamsError> {
        self.shared.lock().error.clone()
    }

    /// Waits until the state is `wanted` or the application has closed, `timeout` at most; gives
    /// the state then.
    pub fn wait_for(&self, wanted: State, timeout: Duration) -> State {
        self.wait_until(timeout, |state| state == wanted || state.is_closed())
    }

    fn wait_until(&self, timeout: Duration, done: impl Fn(State) -> bool) -> State {
        let until = Instant::now() + timeout;
        let mut inner = self.shared.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if done(inner.state) || left.is_zero() {
                return inner.state;
            }
            let waited = self.shared.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What each of its members of the group shows: epoch, tasks, positions and lag.
    pub fn reports(&self) -> Vec<GroupReport> {
        let handles = self.shared.handles();
        handles
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
        self.begin_close(timeout);
        let grace = Duration::from_secs(5);
        let state = self.wait_until(timeout + grace, State::is_closed);
        if let Some(error) = self.error() {
            return Err(CloseError::Failed(error));
        }
        if !state.is_closed() {
            return Err(CloseError::TimedOut);
        }
        let handles = std::mem::take(&mut self.shared.lock().handles);
        for thread in handles.into_iter().filter_map(Arc::into_inner) {
            thread.join();
        }
        Ok(())
    }

    fn begin_close(&self, timeout: Duration) {
        self.shared.change(|inner| {
            if matches!(inner.state, State::Rebalancing | State::Running) {
                inner.state = State::PendingShutdown;
            }
        });
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.shared.close_threads(timeout_ms);
    }
}

impl Drop for RunningStreams {
    fn drop(&mut self) {
        self.begin_close(DROPPED_CLOSE_TIMEOUT);
    }
}

/// Time for tasks to commit when nobody waits for it.
const DROPPED_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
