//! What is counted while a hand-played client drives the runner.

use super::super::tests::{CHANGELOG, TASK, World, assigned, batches};
use crate::thread::message::RunnerMessage;
use crate::types::{TaskId, TopicPartition};

impl World {
    /// The number of a metric of the thread, or of a task.
    fn metric(&self, task: Option<TaskId>, name: &str) -> Option<f64> {
        let metrics = self.runner.metrics(self.now, "app-StreamThread-1");
        let task = task.map(|task| task.to_string());
        let found = metrics.into_iter().find(|metric| {
            let group = match task {
                Some(_) => "stream-task-metrics",
                None => "stream-thread-metrics",
            };
            let tag = metric.tags.get("task-id").map(|task| &**task);
            (metric.group, metric.name) == (group, name) && tag == task.as_deref()
        });
        let metric = found?;
        assert_eq!(&*metric.tags["thread-id"], "app-StreamThread-1");
        metric.value.as_f64()
    }

    fn of_thread(&self, name: &str) -> f64 {
        self.metric(None, name).expect("the thread has it")
    }

    fn of_task(&self, name: &str) -> f64 {
        self.metric(Some(TASK), name).expect("the task has it")
    }
}

#[test]
fn a_thread_counts_what_it_does() {
    let mut world = World::running_with(&[("metrics.recording.level", "DEBUG")]);
    assert_eq!(world.of_thread("thread-start-time"), 1_000_000.0);
    assert_eq!(world.of_thread("task-created-total"), 1.0);
    assert_eq!(world.of_thread("process-total"), 0.0);
    assert!(world.of_thread("commit-latency-avg").is_nan());
    let polls = world.of_thread("poll-total");
    world.records("in", 0, &["a", "b", "a"]);
    assert!(world.of_thread("poll-total") > polls);
    assert_eq!(world.of_thread("process-total"), 3.0);
    assert_eq!(world.of_thread("process-records-max"), 3.0);
    assert_eq!(world.of_task("process-total"), 3.0);
    assert_eq!(world.of_thread("commit-total"), 0.0);
    world.wait(2_500);
    // One for the records, one for each tick.
    assert_eq!(world.of_thread("commit-total"), 3.0);
    assert_eq!(
        world.of_thread("commit-latency-max"),
        0.0,
        "it is answered at once"
    );
    assert_eq!(world.of_thread("punctuate-total"), 2.0);
    assert_eq!(world.of_task("punctuate-total"), 2.0);

    let (ticket, tasks) = (2, vec![TASK]);
    world.tell(RunnerMessage::Revoke { ticket, tasks });
    assert_eq!(world.of_thread("task-closed-total"), 1.0);
    assert_eq!(world.of_thread("process-total"), 3.0);
    assert_eq!(world.metric(Some(TASK), "process-total"), None);
}

#[test]
fn restoring_and_following_are_counted_by_task() {
    let mut world = World::with(&[("metrics.recording.level", "DEBUG")]);
    world.assign(vec![assigned()], Vec::new());
    world.started(CHANGELOG, Some(5));
    world.records(CHANGELOG, 0, &["a", "b", "c"]);
    assert_eq!(world.of_task("restore-total"), 3.0);
    assert_eq!(world.of_task("restore-remaining-records-total"), 2.0);
    world.records(CHANGELOG, 3, &["d", "e"]);
    assert_eq!(world.of_task("restore-total"), 5.0);
    assert_eq!(world.of_task("restore-remaining-records-total"), 0.0);

    let mut world = World::with(&[("metrics.recording.level", "DEBUG")]);
    world.assign(Vec::new(), vec![assigned()]);
    world.started(CHANGELOG, Some(0));
    world.records(CHANGELOG, 0, &["a"]);
    assert_eq!(world.of_task("update-total"), 1.0);
    assert_eq!(world.metric(Some(TASK), "restore-total"), None);
    assert_eq!(world.of_thread("task-created-total"), 1.0);
}

#[test]
fn without_debug_tasks_show_little() {
    let mut world = World::running();
    world.records("in", 0, &["a"]);
    assert_eq!(world.metric(Some(TASK), "process-total"), None);
    assert_eq!(world.of_task("dropped-records-total"), 0.0);
    assert_eq!(world.of_thread("process-total"), 1.0);
}

impl World {
    /// How far the log of `topic` is ahead, as a consumer of the thread shows it.
    fn lag(&self, client: &str, topic: &str) -> Option<f64> {
        let metrics = self.runner.metrics(self.now, "app-StreamThread-1");
        let client = format!("app-StreamThread-1-{client}");
        let found = metrics.into_iter().find(|metric| {
            let is = |tag: &str, value: &str| metric.tags.get(tag).is_some_and(|t| &**t == value);
            (metric.group, metric.name) == ("consumer-fetch-manager-metrics", "records-lag")
                && is("client-id", &client)
                && is("topic", topic)
                && is("partition", "0")
        });
        found?.value.as_f64()
    }

    /// How many tasks are restored, paused while they are, followed, and paused as standbys.
    fn updater(&self) -> [f64; 4] {
        let metrics = self.runner.metrics(self.now, "app-StreamThread-1");
        [
            "active-restoring-tasks",
            "active-paused-tasks",
            "standby-updating-tasks",
            "standby-paused-tasks",
        ]
        .map(|name| {
            let found = metrics.iter().find(|metric| metric.name == name);
            let metric = found.expect("the updater has it");
            assert_eq!(metric.group, "stream-state-updater-metrics");
            assert_eq!(&*metric.tags["thread-id"], "app-StateUpdater-1");
            metric.value.as_f64().expect("a number")
        })
    }
}

#[test]
fn lags_are_shown_by_partition() {
    let mut world = World::new();
    world.assign(vec![assigned()], Vec::new());
    assert_eq!(world.lag("consumer", "in"), None, "nothing was fetched");
    world.started(CHANGELOG, Some(5));
    world.records(CHANGELOG, 0, &["a", "b", "c"]);
    assert_eq!(world.lag("restore-consumer", CHANGELOG), Some(2.0));
    assert_eq!(world.updater(), [1.0, 0.0, 0.0, 0.0]);
    world.runner.pause();
    assert_eq!(world.updater(), [0.0, 1.0, 0.0, 0.0]);
    world.runner.resume();
    world.records(CHANGELOG, 3, &["d", "e"]);
    assert_eq!(world.lag("restore-consumer", CHANGELOG), Some(0.0));
    assert_eq!(world.updater(), [0.0; 4]);
    world.started("in", None);
    world.tell(RunnerMessage::Records {
        partition: TopicPartition::new("in", 0),
        batches: batches(0, &["z"]),
        next_offset: 1,
        log_end: 8,
    });
    assert_eq!(world.lag("consumer", "in"), Some(7.0));

    let mut world = World::new();
    world.assign(Vec::new(), vec![assigned()]);
    world.started(CHANGELOG, Some(4));
    world.records(CHANGELOG, 0, &["a"]);
    assert_eq!(world.lag("restore-consumer", CHANGELOG), Some(3.0));
    assert_eq!(world.updater(), [0.0, 0.0, 1.0, 0.0]);
    world.runner.pause();
    assert_eq!(world.updater(), [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_cache_shows_its_hits_by_commit() {
    let mut world = World::running_with(&[("metrics.recording.level", "DEBUG")]);
    let ratios = |world: &World| {
        let metrics = world.runner.metrics(world.now, "app-StreamThread-1");
        ["hit-ratio-min", "hit-ratio-avg", "hit-ratio-max"].map(|name| {
            let found = metrics.iter().find(|metric| metric.name == name);
            let metric = found.expect("the cache has it");
            assert_eq!(&*metric.tags["record-cache-id"], "counts");
            metric.value.as_f64().expect("a number")
        })
    };
    assert!(ratios(&world).iter().all(|ratio| ratio.is_nan()));
    world.records("in", 0, &["a", "b", "a", "a"]);
    assert!(world.of_task("cache-size-bytes-total") > 0.0);
    world.wait(400);
    assert_eq!(ratios(&world), [0.5; 3]);
    world.records("in", 4, &["a"]);
    world.wait(400);
    assert_eq!(ratios(&world), [0.5, 0.75, 1.0]);
}
