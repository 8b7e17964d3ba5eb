//! What is counted while a hand-played client drives the runner.

use super::super::tests::{CHANGELOG, TASK, World, assigned};
use crate::thread::message::RunnerMessage;
use crate::types::TaskId;

impl World {
    /// The number of a metric of the thread, or of a task.
    fn metric(&self, task: Option<TaskId>, name: &str) -> Option<f64> {
        let metrics = self.runner.metrics(self.now, "app-StreamThread-1");
        let task = task.map(|task| task.to_string());
        let found = metrics.into_iter().find(|metric| {
            assert_eq!(&*metric.tags["thread-id"], "app-StreamThread-1");
            let group = match task {
                Some(_) => "stream-task-metrics",
                None => "stream-thread-metrics",
            };
            let tag = metric.tags.get("task-id").map(|task| &**task);
            (metric.group, metric.name) == (group, name) && tag == task.as_deref()
        });
        found?.value.as_f64()
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
