//! The stream threads of an application: how they begin, fail, are replaced, come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eddyline_core::error::StreamsError;
use eddyline_core::metrics::RecordingLevel;
use eddyline_core::thread::{ClientEvent, RunnerEvent, ThreadState};
use eddyline_core::topology::{Subtopology, Topology};
use eddyline_core::trace::{Level, LogEvent};

use crate::listeners::{Listeners, UncaughtExceptionResponse};
use crate::stream_thread::{Application, Settings, StreamThread, ThreadListener, thread_name};
use crate::streams::State;

/// What the application's threads and its owner share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    topology: Arc<Topology>,
    subtopologies: Vec<Subtopology>,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Held by whoever adds or removes threads.
    changing: Mutex<()>,
    listeners: Listeners,
}

/// Who this instance is, for its metrics.
pub(crate) struct Identity {
    pub(crate) client_id: String,
    pub(crate) application_id: String,
    pub(crate) process_id: String,
    pub(crate) level: RecordingLevel,
}

/// Where the threads are at one time.
pub(crate) struct Threads {
    pub(crate) state: State,
    /// Those that have not ended.
    pub(crate) alive: Vec<(Arc<StreamThread>, ThreadState)>,
    /// How many have failed so far.
    pub(crate) failed: u64,
}

struct Inner {
    state: State,
    /// By index, which is one less than the number in the name.
    threads: BTreeMap<usize, Place>,
    error: Option<StreamsError>,
    /// Failed threads in whose place others are started once they are dead.
    to_replace: BTreeSet<usize>,
    /// Threads started so far.
    started: u64,
    /// Threads that have failed so far.
    failed: u64,
    is_paused: bool,
    /// To start threads with, until it has closed.
    application: Option<Application>,
}

/// Where a thread is, or one that has ended was.
struct Place {
    /// Tells threads with the same index apart.
    generation: u64,
    state: ThreadState,
    /// None while it is being started.
    thread: Option<Arc<StreamThread>>,
}

impl Inner {
    /// The state that follows from those of the threads (Java: `StreamStateListener`). Those that
    /// have ended do not count.
    fn settle(&mut self) {
        let mut running = 0;
        let (mut is_moving, mut is_settled, mut has_ended) = (false, true, true);
        for place in self.threads.values() {
            match place.state {
                ThreadState::Dead => continue,
                ThreadState::Running => running += 1,
                ThreadState::PartitionsRevoked | ThreadState::PartitionsAssigned => {
                    (is_moving, is_settled) = (true, false);
                }
                _ => is_settled = false,
            }
            has_ended = false;
        }
        self.state = match self.state {
            State::PendingShutdown if has_ended => State::NotRunning,
            State::PendingError if has_ended => State::Error,
            State::Rebalancing if is_settled && running > 0 => State::Running,
            State::Running if is_moving => State::Rebalancing,
            state => state,
        };
        if self.state.is_closed() {
            // It holds this, so that neither would ever be dropped.
            self.application = None;
        }
    }

    const fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Rebalancing)
    }

    fn settings(&self) -> Settings {
        let is_ending = |place: &Place| {
            matches!(
                place.state,
                ThreadState::PendingShutdown | ThreadState::Dead
            )
        };
        let places = self.threads.values();
        Settings {
            is_paused: self.is_paused,
            threads: places.filter(|place| !is_ending(place)).count(),
        }
    }

    /// Tells every thread how things are now.
    fn configure(&self) {
        let settings = self.settings();
        let threads = self.threads.values().filter_map(|p| p.thread.as_ref());
        threads.for_each(|thread| thread.configure(settings));
    }

    /// The lowest index that no thread has; where one has ended, it is free (Java:
    /// `nextThreadIndex`).
    fn next_index(&self) -> usize {
        let is_free = |index: &usize| {
            let place = self.threads.get(index);
            place.is_none_or(|place| place.state == ThreadState::Dead)
        };
        let mut indexes = 0..=self.threads.len();
        indexes.find(is_free).unwrap_or(self.threads.len())
    }
}

impl Shared {
    pub(crate) fn new(
        identity: Identity,
        topology: Arc<Topology>,
        subtopologies: Vec<Subtopology>,
        is_paused: bool,
        listeners: Listeners,
    ) -> Self {
        Self {
            identity,
            topology,
            subtopologies,
            inner: Mutex::new(Inner {
                state: State::Created,
                threads: BTreeMap::new(),
                error: None,
                to_replace: BTreeSet::new(),
                started: 0,
                failed: 0,
                is_paused,
                application: None,
            }),
            changed: Condvar::new(),
            changing: Mutex::default(),
            listeners,
        }
    }

    /// No code of a user runs under the lock, so that a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells the listener and whoever waits.
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let (new, old) = self.change_silently(change);
        self.tell(new, old);
    }

    /// Gives the state and the one before, of which the listener is to be told.
    fn change_silently(&self, change: impl FnOnce(&mut Inner)) -> (State, State) {
        let mut inner = self.lock();
        let old = inner.state;
        change(&mut inner);
        inner.settle();
        let new = inner.state;
        drop(inner);
        self.changed.notify_all();
        (new, old)
    }

    fn tell(&self, new: State, old: State) {
        if old != new
            && let Some(listener) = &self.listeners.state
        {
            listener(new, old);
        }
    }

    /// Starts the threads an application begins with.
    pub(crate) fn start(&self, application: &Application) -> io::Result<()> {
        let count = application.config.num_stream_threads();
        self.change(|inner| {
            inner.state = State::Rebalancing;
            inner.application = Some(application.clone());
            for index in 0..count {
                // Nobody is done before all have begun.
                inner.threads.insert(index, Place::new(0));
            }
        });
        let started = (0..count).try_for_each(|index| self.start_thread(index));
        if started.is_err() {
            self.change(|inner| inner.threads.retain(|_, place| place.generation > 0));
        }
        started
    }

    /// Starts a thread; nothing, when the application closes.
    fn start_thread(&self, index: usize) -> io::Result<()> {
        let mut inner = self.lock();
        let runs = inner.is_running();
        let Some(mut application) = inner.application.clone().filter(|_| runs) else {
            inner.threads.remove(&index);
            drop(inner);
            self.change(|_| {});
            return Ok(());
        };
        inner.started += 1;
        let generation = inner.started;
        // A member of its own, with an id of its own.
        application.seed = application.seed.child("started", generation);
        inner.threads.insert(index, Place::new(generation));
        let settings = inner.settings();
        drop(inner);
        let started = StreamThread::start(&application, index, settings);
        let mut inner = self.lock();
        let place = inner.threads.get_mut(&index);
        // It may have failed already, and another one be in its place.
        let place = place.filter(|place| place.generation == generation);
        match (started, place) {
            (Err(error), place) => {
                if let Some(place) = place {
                    place.state = ThreadState::Dead;
                }
                drop(inner);
                self.change(|_| {});
                Err(error)
            }
            (Ok(_), None) => Ok(()),
            (Ok(thread), Some(place)) => {
                let thread = Arc::new(thread);
                place.thread = Some(Arc::clone(&thread));
                inner.configure();
                let runs = inner.is_running();
                drop(inner);
                if !runs {
                    // The others were told while it started.
                    thread.close(FAILED_CLOSE_TIMEOUT_MS);
                }
                Ok(())
            }
        }
    }

    /// Adds a thread and gives its name, when the application runs.
    pub(crate) fn add_thread(&self) -> io::Result<Option<String>> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = self.lock();
        let Some(application) = inner.application.clone().filter(|_| inner.is_running()) else {
            return Ok(None);
        };
        let index = inner.next_index();
        drop(inner);
        self.start_thread(index)?;
        Ok(Some(thread_name(&application.config, index)))
    }

    /// Ends a thread and gives its name, once it has ended and unless none is there or it is the
    /// caller's; an error when it is not over by `until`.
    pub(crate) fn remove_thread(&self, until: Option<Instant>) -> Result<Option<String>, ()> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.lock();
        let Some(application) = inner.application.clone().filter(|_| inner.is_running()) else {
            return Ok(None);
        };
        let live = |place: &&Place| place.state != ThreadState::Dead;
        let is_last = inner.threads.values().filter(live).count() == 1;
        let mut found = inner.threads.iter().filter(|(_, place)| live(place));
        let found = found.find_map(|(index, place)| {
            let thread = place.thread.as_ref()?;
            let may = is_last || !thread.is_current();
            may.then(|| (*index, place.generation, Arc::clone(thread)))
        });
        let Some((index, generation, thread)) = found else {
            return Ok(None);
        };
        inner.to_replace.remove(&index);
        drop(inner);
        thread.close(UNLIMITED_MS);
        let name = thread_name(&application.config, index);
        if thread.is_current() {
            return Ok(Some(name));
        }
        let has_ended = self.wait(until, |inner| {
            let place = inner.threads.get(&index);
            place.is_none_or(|p| p.generation != generation || p.state == ThreadState::Dead)
        });
        self.lock().configure();
        if has_ended { Ok(Some(name)) } else { Err(()) }
    }

    /// Waits until something is so, or until then; says whether it is.
    fn wait(&self, until: Option<Instant>, is_so: impl Fn(&Inner) -> bool) -> bool {
        let mut inner = self.lock();
        while !is_so(&inner) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let left = left.unwrap_or(Duration::from_secs(3600));
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until the state is as wanted, or until then; gives the state.
    pub(crate) fn wait_for(&self, until: Option<Instant>, wanted: impl Fn(State) -> bool) -> State {
        self.wait(until, |inner| wanted(inner.state));
        self.state()
    }

    pub(crate) fn set_paused(&self, is_paused: bool) {
        let mut inner = self.lock();
        inner.is_paused = is_paused;
        inner.configure();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().is_paused
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    pub(crate) fn error(&self) -> Option<StreamsError> {
        self.lock().error.clone()
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(crate) fn subtopologies(&self) -> &[Subtopology] {
        &self.subtopologies
    }

    /// True while queries may be answered.
    pub(crate) fn is_running(&self) -> bool {
        self.lock().is_running()
    }

    /// The threads that have not ended.
    pub(crate) fn threads(&self) -> Vec<Arc<StreamThread>> {
        let alive = self.survey().alive.into_iter();
        alive.map(|(thread, _)| thread).collect()
    }

    /// How things are.
    pub(crate) fn survey(&self) -> Threads {
        let inner = self.lock();
        let live = |place: &&Place| place.state != ThreadState::Dead;
        let live = inner.threads.values().filter(live);
        let alive = live.filter_map(|place| Some((place.thread.clone()?, place.state)));
        Threads {
            state: inner.state,
            alive: alive.collect(),
            failed: inner.failed,
        }
    }

    /// Begins to close, whatever the state.
    pub(crate) fn begin_close(&self, timeout: Duration) {
        self.change(|inner| {
            if inner.is_running() {
                inner.state = State::PendingShutdown;
            }
        });
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(UNLIMITED_MS);
        self.close_threads(timeout_ms);
    }

    /// Waits for threads that have ended or are about to.
    pub(crate) fn join(&self, until: Option<Instant>) {
        let places = std::mem::take(&mut self.lock().threads);
        let threads = places.into_values().filter_map(|place| place.thread);
        for thread in threads.filter_map(Arc::into_inner) {
            thread.join(until);
        }
    }

    fn close_threads(&self, timeout_ms: u64) {
        for thread in self.threads() {
            thread.close(timeout_ms);
        }
    }

    /// A line for the log about the application.
    pub(crate) fn warn(&self, message: String) {
        if let Some(listener) = &self.listeners.log {
            listener(&LogEvent::new(Level::Warn, message));
        }
    }

    fn log(&self, thread_index: usize, event: &LogEvent) {
        if let Some(listener) = &self.listeners.log {
            let message = format!("stream thread {}: {}", thread_index + 1, event.message);
            listener(&LogEvent::new(event.level, message));
        }
    }

    /// True asks for the whole application to stop.
    fn failed(&self, thread_index: usize, error: StreamsError) -> bool {
        self.lock().failed += 1;
        self.log(
            thread_index,
            &LogEvent::new(Level::Error, error.to_string()),
        );
        let response = match (&self.listeners.uncaught, &error) {
            // The group's word is not for one thread to answer.
            (_, StreamsError::ShutdownRequested) | (None, _) => {
                UncaughtExceptionResponse::ShutdownClient
            }
            (Some(handler), _) => {
                let asked = catch_unwind(AssertUnwindSafe(|| handler(&error)));
                asked.unwrap_or_default()
            }
        };
        if response == UncaughtExceptionResponse::ReplaceThread && self.is_running() {
            self.lock().to_replace.insert(thread_index);
            return false;
        }
        self.stop(error);
        response == UncaughtExceptionResponse::ShutdownApplication
    }

    /// A thread has ended: starts another in its place, if it is to be replaced.
    fn ended(&self, thread_index: usize) {
        let mut inner = self.lock();
        let is_wanted = inner.to_replace.remove(&thread_index);
        drop(inner);
        if is_wanted && let Err(error) = self.start_thread(thread_index) {
            let error = format!("the system gives no thread: {error}");
            self.stop(StreamsError::Unreachable(error));
        }
    }

    /// Stops this instance because of an error.
    fn stop(&self, error: StreamsError) {
        let (new, old) = self.change_silently(|inner| {
            // One that closes goes on closing, as in Java.
            if inner.is_running() {
                inner.state = State::PendingError;
            }
            inner.error.get_or_insert(error);
        });
        // First, as the listener may panic.
        self.close_threads(FAILED_CLOSE_TIMEOUT_MS);
        self.tell(new, old);
    }
}

impl Place {
    const fn new(generation: u64) -> Self {
        Self {
            generation,
            state: ThreadState::Created,
            thread: None,
        }
    }
}

/// Time for the threads beside a failed one to commit.
const FAILED_CLOSE_TIMEOUT_MS: u64 = 30_000;
/// Time for a thread that is removed to commit: as much as it takes.
const UNLIMITED_MS: u64 = u64::MAX;

impl ThreadListener for Shared {
    fn client_event(&self, thread_index: usize, event: ClientEvent) -> bool {
        match event {
            ClientEvent::StateChanged { from, to } => {
                let message = format!("goes from {from:?} to {to:?}");
                self.log(thread_index, &LogEvent::new(Level::Info, message));
                self.change(|inner| {
                    if let Some(place) = inner.threads.get_mut(&thread_index) {
                        place.state = to;
                    }
                });
                if to == ThreadState::Dead {
                    self.ended(thread_index);
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
        self.listeners.stores.tell(&event);
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
                ..
            } => LogEvent::new(
                Level::Info,
                format!("restores {partition} from offset {offset} to {end}"),
            ),
            RunnerEvent::RestoreEnded {
                partition, records, ..
            } => LogEvent::new(
                Level::Info,
                format!("restored {records} records of {partition}"),
            ),
            _ => return,
        };
        self.log(thread_index, &event);
    }
}
