//! A task with a persistent store, from one life to the next.

use std::cell::RefCell;
use std::rc::Rc;

use super::{StreamTask, TaskState};
use crate::config::StreamsConfig;
use crate::dsl::{Materialized, StreamsBuilder};
use crate::processor::{OutgoingRecord, ProcessorGraph, RecordSink};
use crate::state::CacheBudget;
use crate::state::fuzzing::Disk;
use crate::time::Now;
use crate::types::{Headers, TaskId, TopicPartition};
use crate::wire::{RecordBatch, RecordBatchBuilder, assign_offsets, decode_batches};

const TASK: TaskId = TaskId::new(0, 0);
const CACHE_BYTES: usize = 1 << 20;

/// What is produced goes nowhere: the test says how far it was written.
struct Nowhere;

impl RecordSink for Nowhere {
    fn send(&mut self, _record: OutgoingRecord<'_>) -> Result<(), crate::error::StreamsError> {
        Ok(())
    }
}

fn task(storage: &Disk) -> StreamTask {
    let builder = StreamsBuilder::new();
    let words = builder.stream::<String, String>("in");
    words.group_by_key().count(Materialized::as_store("counts"));
    let topology = builder.build().expect("a valid topology");
    let config = StreamsConfig::new("app", "a:1").expect("valid");
    let (budget, sink) = (
        CacheBudget::new(CACHE_BYTES),
        Rc::new(RefCell::new(Nowhere)),
    );
    let graph = ProcessorGraph::open(&topology, TASK, &[0], &config, &budget, sink, storage);
    StreamTask::new(TASK, graph.expect("is opened"), &[input()], 0).expect("has its sources")
}

fn input() -> TopicPartition {
    TopicPartition::new("in", 0)
}

fn changelog() -> TopicPartition {
    TopicPartition::new("app-counts-changelog", 0)
}

fn batch(offset: i64, rows: &[(&str, &[u8])]) -> Vec<RecordBatch> {
    let mut builder = RecordBatchBuilder::new();
    for (key, value) in rows {
        builder.append(7, Some(key.as_bytes()), Some(value), &Headers::new());
    }
    let sealed = decode_batches(builder.seal().encode(-1, -1, -1)).expect("a sound batch");
    decode_batches(assign_offsets(&sealed[0], offset, 1)).expect("a sound batch")
}

/// Restores the whole changelog of a task and lets it run.
fn run(task: &mut StreamTask, end: i64) {
    while !task.is_restored() {
        task.restore(100).expect("is restored");
    }
    assert_eq!(task.restore_positions(), [(changelog(), end)]);
    task.init(Now::default()).expect("begins");
    task.state = TaskState::Running;
    task.started(&input(), 0, None, "").expect("no metadata");
}

fn process(task: &mut StreamTask, offset: i64, keys: &[&str]) {
    let rows: Vec<(&str, &[u8])> = keys.iter().map(|key| (*key, &b"x"[..])).collect();
    let next = offset + keys.len() as i64;
    task.push(Now::default(), &input(), batch(offset, &rows), next, next)
        .expect("is read");
    let processed = task.process(Now::default(), 100).expect("is processed");
    assert_eq!(processed, keys.len());
}

fn rows(task: &StreamTask) -> Vec<(Vec<u8>, i64)> {
    let mut rows = Vec::new();
    for (store, _) in task.graph().stores() {
        let visited = store.visit_rows(&mut |row| {
            let value = row.value.unwrap_or_default();
            let count = value
                .first_chunk()
                .map_or(-1, |count| i64::from_be_bytes(*count));
            rows.push((row.key.to_vec(), count));
        });
        visited.expect("is read");
    }
    rows
}

#[test]
fn a_task_goes_on_from_what_it_committed() {
    let storage = Disk::default();
    let mut first = task(&storage);
    first
        .started(&changelog(), 0, Some(0), "")
        .expect("goes on");
    run(&mut first, 0);
    process(&mut first, 0, &["a", "b", "a"]);
    first.prepare_commit(Now::default()).expect("is flushed");
    assert!(first.uncommitted_bytes() > 0);
    first
        .post_commit(|partition| (*partition == changelog()).then_some(1))
        .expect("is stored");
    assert_eq!(first.uncommitted_bytes(), 0);
    // What is not committed is dropped by a dirty close.
    process(&mut first, 3, &["a", "c"]);
    first.prepare_commit(Now::default()).expect("is flushed");
    first.close(false);

    let mut second = task(&storage);
    assert_eq!(second.restore_positions(), [(changelog(), 2)]);
    assert_eq!(rows(&second), [(b"a".to_vec(), 2), (b"b".to_vec(), 1)]);
    second
        .started(&changelog(), 2, Some(4), "")
        .expect("goes on");
    let three = 3i64.to_be_bytes();
    let logged = batch(2, &[("a", &three), ("c", &1i64.to_be_bytes())]);
    second
        .push(Now::default(), &changelog(), logged, 4, 4)
        .expect("is read");
    run(&mut second, 4);
    // Restored rows are committed as they are.
    second.close(false);
    let third = task(&storage);
    assert_eq!(third.restore_positions(), [(changelog(), 4)]);
    assert_eq!(rows(&third)[0], (b"a".to_vec(), 3));
}

/// What the store has may not be in the changelog any more, in whole or in part.
#[test]
fn a_store_that_its_changelog_does_not_go_on_from_is_emptied() {
    let storage = Disk::default();
    let mut first = task(&storage);
    first
        .started(&changelog(), 0, Some(0), "")
        .expect("goes on");
    run(&mut first, 0);
    process(&mut first, 0, &["a", "b"]);
    first.prepare_commit(Now::default()).expect("is flushed");
    first.post_commit(|_| Some(9)).expect("is stored");
    first.close(true);

    let mut second = task(&storage);
    assert_eq!(second.restore_positions(), [(changelog(), 10)]);
    let warning = second
        .started(&changelog(), 3, Some(5), "")
        .expect_err("warns");
    assert!(
        warning.contains("counts") && warning.contains("10"),
        "{warning}"
    );
    let logged = batch(3, &[("c", &1i64.to_be_bytes()), ("d", &2i64.to_be_bytes())]);
    second
        .push(Now::default(), &changelog(), logged, 5, 5)
        .expect("is read");
    run(&mut second, 5);
    assert_eq!(rows(&second), [(b"c".to_vec(), 1), (b"d".to_vec(), 2)]);
    second.close(true);
    assert_eq!(task(&storage).restore_positions(), [(changelog(), 5)]);
}

#[test]
fn a_refused_commit_goes_with_the_next_one() {
    let storage = Disk::default();
    let mut first = task(&storage);
    first
        .started(&changelog(), 0, Some(0), "")
        .expect("goes on");
    run(&mut first, 0);
    process(&mut first, 0, &["a"]);
    first.prepare_commit(Now::default()).expect("is flushed");
    first.commit_refused();
    assert!(
        first.is_commit_needed(),
        "or it would wait for another record"
    );
    process(&mut first, 1, &["a"]);
    first.prepare_commit(Now::default()).expect("is flushed");
    first.post_commit(|_| Some(1)).expect("is stored");
    first.close(false);
    assert_eq!(rows(&task(&storage)), [(b"a".to_vec(), 2)]);
}
