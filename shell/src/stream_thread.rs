//! One stream thread: its client machine on one OS thread, its task runner on another.
//!
//! User code may keep the runner busy for minutes while the client goes on beating. Between them
//! go the machines' own messages, which bound themselves: records by the fetcher's credit, batches
//! by `buffer.memory`.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{self, Duration};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, never, select, unbounded,
};
use eddyline_core::config::StreamsConfig;
use eddyline_core::error::StreamsError;
use eddyline_core::rng::SeedTree;
use eddyline_core::thread::{
    Budget, ClientEvent, ClientMachine, GroupReport, Input, Output, RunnerEvent, TaskQuery,
    TaskRunner, ThreadMetadata, ThreadState, ToClient, ToRunner,
};
use eddyline_core::time::Instant;
use eddyline_core::topology::Topology;
use mio::Waker;

use crate::clock::Clock;
use crate::query::{Job, mark_stream_thread};
use crate::sockets::Sockets;
use crate::storages::Storages;
use crate::tls::Tls;

/// What every thread of an application shares.
#[derive(Clone)]
pub(crate) struct Application {
    pub(crate) topology: Arc<Topology>,
    pub(crate) config: StreamsConfig,
    pub(crate) process_id: Arc<str>,
    pub(crate) seed: SeedTree,
    pub(crate) clock: Clock,
    pub(crate) listener: Arc<dyn ThreadListener>,
    /// Of persistent stores, which are in memory otherwise.
    pub(crate) storages: Option<Storages>,
    pub(crate) tls: Option<Tls>,
}

/// What changes for a thread while it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) is_paused: bool,
    /// How many share the memory of the process.
    pub(crate) threads: usize,
}

/// The name of a thread (Java's).
pub(crate) fn thread_name(config: &StreamsConfig, index: usize) -> String {
    format!("{}-StreamThread-{}", config.client_id(), index + 1)
}

/// Is told what happens on stream threads, on these threads.
pub(crate) trait ThreadListener: Send + Sync {
    /// True asks for the whole application to stop.
    fn client_event(&self, thread_index: usize, event: ClientEvent) -> bool;
    fn runner_event(&self, thread_index: usize, event: RunnerEvent);
}

/// What a thread is asked from outside.
enum Command {
    Close { timeout_ms: u64 },
    Report(Sender<GroupReport>),
    Metadata(Sender<ThreadMetadata>),
}

/// What reaches the client's thread beside sockets.
enum Mail {
    Message(ToClient),
    Command(Command),
}

/// Posts to the client's thread and wakes it where it sleeps.
#[derive(Clone)]
struct Mailbox {
    mail: Sender<Mail>,
    bell: Arc<Bell>,
}

struct Bell {
    waker: Arc<Waker>,
    /// The client's thread sleeps, or is about to: a wake-up costs a system call, so nobody makes
    /// one while it is awake.
    asleep: AtomicBool,
}

impl Mailbox {
    /// Says whether anybody will read it.
    fn post(&self, mail: Mail) -> bool {
        self.mail.send(mail).is_ok()
    }

    fn ring(&self) {
        if self.bell.asleep.swap(false, Ordering::SeqCst) {
            // Where it fails the client still wakes at its next deadline.
            let _ = self.bell.waker.wake();
        }
    }
}

/// A running stream thread.
pub(crate) struct StreamThread {
    pub(crate) name: String,
    mailbox: Mailbox,
    queries: Sender<Job>,
    client: JoinHandle<()>,
    runner: JoinHandle<()>,
    /// Nothing comes; it is cut off when the runner's thread ends.
    runner_ends: Receiver<Infallible>,
}

impl StreamThread {
    /// Starts both OS threads.
    pub(crate) fn start(
        application: &Application,
        index: usize,
        settings: Settings,
    ) -> io::Result<Self> {
        let sockets = Sockets::new(application.tls.clone())?;
        let (mail, inbox) = unbounded();
        let (to_runner, from_client) = unbounded();
        let (queries, asked) = unbounded();
        // The receiver is there.
        let _ = queries.send(Job::Configure(settings));
        let bell = Arc::new(Bell {
            waker: sockets.waker(),
            asleep: AtomicBool::new(false),
        });
        let mailbox = Mailbox { mail, bell };
        let name = thread_name(&application.config, index);
        let spawn = |suffix: &str| std::thread::Builder::new().name(format!("{name}{suffix}"));
        let (shared, back) = (application.clone(), mailbox.clone());
        let (runs, runner_ends) = bounded(0);
        let runner = spawn("").spawn(move || {
            let _runs = runs;
            mark_stream_thread();
            run_tasks(&shared, index, &from_client, asked, &back);
        })?;
        let thread = ClientThread {
            application: application.clone(),
            index,
            sockets,
            inbox,
            to_runner,
            bell: Arc::clone(&mailbox.bell),
        };
        let client = spawn("-client").spawn(move || run_client(thread))?;
        Ok(Self {
            name,
            mailbox,
            queries,
            client,
            runner,
            runner_ends,
        })
    }

    /// Begins to close: tasks have `timeout_ms` to commit.
    pub(crate) fn close(&self, timeout_ms: u64) {
        self.mailbox
            .post(Mail::Command(Command::Close { timeout_ms }));
        self.mailbox.ring();
    }

    /// Tells the thread's tasks how things are now.
    pub(crate) fn configure(&self, settings: Settings) {
        self.ask(Job::Configure(settings));
    }

    /// Whether it is the calling thread.
    pub(crate) fn is_current(&self) -> bool {
        let current = std::thread::current().id();
        [&self.client, &self.runner]
            .iter()
            .any(|thread| thread.thread().id() == current)
    }

    /// Asks the thread's tasks. Nothing is answered when it has ended.
    pub(crate) fn ask(&self, job: Job) {
        // Dropping the job tells the asker.
        let _ = self.queries.send(job);
    }

    /// What the thread's client shows of itself; `None` when it has ended.
    pub(crate) fn report(&self) -> Option<GroupReport> {
        let (answer, report) = unbounded();
        self.mailbox.post(Mail::Command(Command::Report(answer)));
        self.mailbox.ring();
        report.recv().ok()
    }

    /// What the thread's client shows of its tasks; `None` when it has ended.
    pub(crate) fn metadata(&self) -> Option<ThreadMetadata> {
        let (answer, metadata) = unbounded();
        self.mailbox.post(Mail::Command(Command::Metadata(answer)));
        self.mailbox.ring();
        metadata.recv().ok()
    }

    /// Waits for both threads: that of the client, which is about to end, and until then for that of
    /// the runner, which may be held up by code of the user.
    pub(crate) fn join(self, until: Option<time::Instant>) {
        // A panic was reported when it happened.
        let _ = self.client.join();
        let waited = match until {
            Some(until) => self.runner_ends.recv_deadline(until),
            None => self.runner_ends.recv().map_err(RecvTimeoutError::from),
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            let _ = self.runner.join();
        }
    }
}

/// The body of the runner's thread.
fn run_tasks(
    application: &Application,
    index: usize,
    from_client: &Receiver<ToRunner>,
    queries: Receiver<Job>,
    back: &Mailbox,
) {
    let run = || TaskLoop::new(application, index, from_client, queries, back).run();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        let message = panic_message(panic.as_ref());
        back.post(Mail::Message(ToClient::panicked(message)));
        back.ring();
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

/// The client's thread. A listener of the user may panic on it.
fn run_client(thread: ClientThread) {
    let (application, index) = (thread.application.clone(), thread.index);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| thread.run())) {
        let error = StreamsError::Panicked(panic_message(panic.as_ref()));
        died(&application, index, error);
    }
}

/// Tells that a client has ended without a word of its own.
fn died(application: &Application, index: usize, error: StreamsError) {
    let (from, to) = (ThreadState::PendingShutdown, ThreadState::Dead);
    for event in [
        ClientEvent::Failed(error),
        ClientEvent::StateChanged { from, to },
    ] {
        // A listener that panics again has had its chance.
        let tell = || application.listener.client_event(index, event);
        let _ = catch_unwind(AssertUnwindSafe(tell));
    }
}

struct TaskLoop<'a> {
    application: &'a Application,
    index: usize,
    runner: TaskRunner,
    budget: Budget,
    from_client: &'a Receiver<ToRunner>,
    queries: Receiver<Job>,
    back: &'a Mailbox,
}

/// What the runner's thread is given to do.
enum Work {
    Message(ToRunner),
    Query(Job),
    /// A deadline, or a step that is not finished.
    Nothing,
}

impl<'a> TaskLoop<'a> {
    fn new(
        application: &'a Application,
        index: usize,
        from_client: &'a Receiver<ToRunner>,
        queries: Receiver<Job>,
        back: &'a Mailbox,
    ) -> Self {
        let config = &application.config;
        let now = application.clock.now();
        let topology = Arc::clone(&application.topology);
        let budget = Budget {
            max_records: config.max_poll_records(),
            ..Budget::default()
        };
        let mut runner = TaskRunner::new(now, topology, config);
        if let Some(storages) = &application.storages {
            runner = runner.with_storages(storages());
        }
        Self {
            application,
            index,
            runner,
            budget,
            from_client,
            queries,
            back,
        }
    }

    fn run(mut self) {
        loop {
            let more = self.step();
            if self.runner.is_closed() {
                return;
            }
            match self.next_work(more) {
                Ok(Work::Message(message)) => {
                    let now = self.application.clock.now();
                    self.runner.handle_message(now, message);
                }
                Ok(Work::Query(job)) => self.answer(job),
                Ok(Work::Nothing) => {}
                // The client has ended: nobody is left to commit for.
                Err(()) => return,
            }
        }
    }

    /// Runs once and hands over what came of it; says whether there is more to do.
    fn step(&mut self) -> bool {
        let more = self
            .runner
            .run_once(self.application.clock.now(), self.budget);
        let mut posted = false;
        while let Some(message) = self.runner.poll_message() {
            posted |= self.back.post(Mail::Message(message));
        }
        if posted {
            self.back.ring();
        }
        while let Some(event) = self.runner.poll_event() {
            self.application.listener.runner_event(self.index, event);
        }
        more
    }

    /// The next thing to do, waiting for it unless there is work.
    fn next_work(&mut self, more: bool) -> Result<Work, ()> {
        if let Ok(job) = self.queries.try_recv() {
            return Ok(Work::Query(job));
        }
        match self.from_client.try_recv() {
            Ok(message) => return Ok(Work::Message(message)),
            Err(TryRecvError::Disconnected) => return Err(()),
            Err(TryRecvError::Empty) if more => return Ok(Work::Nothing),
            Err(TryRecvError::Empty) => {}
        }
        let left = time_left(self.runner.poll_timeout(), self.application.clock);
        let deadline = left.map_or_else(never, crossbeam_channel::after);
        select! {
            recv(self.from_client) -> message => message.map(Work::Message).map_err(drop),
            recv(self.queries) -> job => Ok(match job {
                Ok(job) => Work::Query(job),
                Err(_) => {
                    // Nobody is left to ask.
                    self.queries = never();
                    Work::Nothing
                }
            }),
            recv(deadline) -> _ => Ok(Work::Nothing),
        }
    }

    fn configure(&mut self, settings: Settings) {
        if settings.is_paused {
            self.runner.pause();
        } else {
            self.runner.resume();
        }
        self.runner.share_memory(settings.threads);
    }

    fn answer(&mut self, job: Job) {
        let job = match job {
            Job::Query(job) => job,
            Job::Lags(answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.runner.store_lags());
                return;
            }
            Job::Idling(answer) => {
                let _ = answer.send(self.runner.idling_since());
                return;
            }
            Job::Metrics(answer) => {
                let now = self.application.clock.now();
                let name = thread_name(&self.application.config, self.index);
                let _ = answer.send(self.runner.metrics(now, &name));
                return;
            }
            Job::Configure(settings) => return self.configure(settings),
        };
        let pages = self.runner.query(TaskQuery {
            store: &job.store,
            partitions: job.partitions.as_ref(),
            query: &job.query,
            after: job.after.as_ref(),
            max_rows: job.max_rows,
            bound: &job.bound,
            allows_stale: job.allows_stale,
        });
        // Who asked may have gone.
        let _ = job.answer.send(pages);
    }
}

fn time_left(deadline: Option<Instant>, clock: Clock) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(clock.instant()))
}

/// The body of the client's thread.
struct ClientThread {
    application: Application,
    index: usize,
    sockets: Sockets,
    inbox: Receiver<Mail>,
    to_runner: Sender<ToRunner>,
    bell: Arc<Bell>,
}

impl ClientThread {
    fn run(mut self) {
        let application = &self.application;
        let mut client = ClientMachine::new(
            application.clock.now(),
            &application.config,
            &application.topology,
            self.index,
            &application.process_id,
            application.seed.child("thread", self.index as u64),
        );
        self.drain(&mut client);
        while !client.is_closed() {
            self.take_mail(&mut client);
            self.take_inputs(&mut client);
            let now = self.application.clock.now();
            if client.poll_timeout().is_some_and(|at| at <= now.instant) {
                client.handle_input(now, Input::Timeout);
                self.drain(&mut client);
            }
            self.sockets.flush();
            if !client.is_closed()
                && let Err(error) = self.sleep(&client)
            {
                let error = format!("the system's poll failed: {error}");
                let error = StreamsError::Unreachable(error);
                return died(&self.application, self.index, error);
            }
        }
        self.sockets.flush();
    }

    fn take_mail(&mut self, client: &mut ClientMachine) {
        while let Ok(mail) = self.inbox.try_recv() {
            let now = self.application.clock.now();
            match mail {
                Mail::Message(message) => client.handle_message(now, message),
                Mail::Command(Command::Close { timeout_ms }) => {
                    client.close_within(now, timeout_ms);
                }
                Mail::Command(Command::Report(answer)) => {
                    // Who asked may have gone.
                    let _ = answer.send(client.report());
                }
                Mail::Command(Command::Metadata(answer)) => {
                    let _ = answer.send(client.thread_metadata());
                }
            }
            self.drain(client);
        }
    }

    fn take_inputs(&mut self, client: &mut ClientMachine) {
        // A bound: mail and deadlines get their turn however fast the broker is.
        for _ in 0..MAX_INPUTS_IN_A_ROW {
            let Some(input) = self.sockets.next_input() else {
                return;
            };
            client.handle_input(self.application.clock.now(), input);
            self.drain(client);
        }
    }

    fn drain(&mut self, client: &mut ClientMachine) {
        while let Some(message) = client.poll_message() {
            // A runner that has ended said so before.
            let _ = self.to_runner.send(message);
        }
        while let Some(output) = client.poll_output() {
            match output {
                Output::Connect {
                    connection,
                    address,
                } => self.sockets.connect(connection, &address),
                Output::Transmit(connection, bytes) => self.sockets.transmit(connection, bytes),
                Output::Close(connection) => {
                    // The last request of a closing client must still leave.
                    self.sockets.flush();
                    self.sockets.close(connection);
                }
                Output::Event(event) => {
                    if self.application.listener.client_event(self.index, event) {
                        client.request_shutdown();
                    }
                }
            }
        }
    }

    fn sleep(&mut self, client: &ClientMachine) -> io::Result<()> {
        self.bell.asleep.store(true, Ordering::SeqCst);
        let timeout = if self.inbox.is_empty() {
            time_left(client.poll_timeout(), self.application.clock)
        } else {
            Some(Duration::ZERO)
        };
        let waited = self.sockets.wait(timeout);
        self.bell.asleep.store(false, Ordering::SeqCst);
        waited
    }
}

const MAX_INPUTS_IN_A_ROW: usize = 64;
