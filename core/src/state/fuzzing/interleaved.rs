//! Histories in which a flush is pulled entry by entry, with reads and writes between: what is seen
//! must be right at every moment, and what comes out must add up.

use std::collections::BTreeMap;

use super::{
    ALL_KEYS, Action, BUDGETS, Direction, KINDS, KeyValueBytesStore, Kind, Op, Row, Rows, build,
    collect, contains, lend, records, set, stored,
};
use crate::state::CacheBudget;
use crate::state::byte_store::{ByteBounds, prefix_bounds, prefix_end};

/// Runs `ops` on every kind of store, sharing one budget; nothing is pulled unless an op says so.
pub fn check_interleaved(ops: &[Op]) {
    let budget = CacheBudget::new(BUDGETS[3]);
    let mut runs: Vec<Run> = KINDS.iter().map(|kind| Run::new(*kind, &budget)).collect();
    for (sequence, op) in ops.iter().enumerate() {
        if op.action() == Action::Resize {
            budget.resize(BUDGETS[usize::from(op.value) % BUDGETS.len()]);
            for run in &mut runs {
                run.store.shrink_cache();
            }
        }
        let run = &mut runs[usize::from(op.store) % KINDS.len()];
        run.step(op, sequence as i64);
        run.check(&op.key_bytes());
        if runs.iter().all(|run| !run.store.has_pending()) {
            assert!(budget.used() <= budget.max_bytes(), "bound after {op:?}");
        }
    }
    for run in &mut runs {
        run.finish();
    }
}

struct Run {
    kind: Kind,
    store: KeyValueBytesStore,
    /// What readers must see.
    view: Rows,
    downstream: Rows,
    replayed: Rows,
    /// Every write by its offset.
    writes: BTreeMap<i64, (Vec<u8>, Option<Vec<u8>>)>,
    /// The offset of the last change of each key.
    last_flushed: BTreeMap<Vec<u8>, i64>,
}

impl Run {
    fn new(kind: Kind, budget: &CacheBudget) -> Self {
        Self {
            kind,
            store: build(kind, budget),
            view: BTreeMap::default(),
            downstream: BTreeMap::default(),
            replayed: BTreeMap::default(),
            writes: BTreeMap::default(),
            last_flushed: BTreeMap::default(),
        }
    }

    fn step(&mut self, op: &Op, sequence: i64) {
        let key = op.key_bytes();
        let context = op.context(sequence);
        let value = op.value_bytes(self.kind.format, context.timestamp);
        let expected = self.view.get(&key).cloned();
        match op.action() {
            Action::Put => {
                self.note(sequence, &key, Some(&value));
                let put = self.store.put(&key, Some(&value), &context);
                put.expect("rows in memory do not fail");
            }
            Action::Delete => {
                self.note(sequence, &key, None);
                let previous = self.store.delete(&key, &context);
                let previous = previous.expect("rows in memory do not fail");
                assert_eq!(previous.map(|value| value.to_vec()), expected);
            }
            Action::PutIfAbsent => {
                if expected.is_none() {
                    self.note(sequence, &key, Some(&value));
                }
                let previous = self.store.put_if_absent(&key, Some(&value), &context);
                let previous = previous.expect("rows in memory do not fail");
                assert_eq!(previous.map(|value| value.to_vec()), expected);
            }
            Action::Get => {
                let found = self.store.get(&key).expect("rows in memory do not fail");
                assert_eq!(found.map(|value| value.to_vec()), expected);
            }
            Action::Range(direction) => self.scan(lend(&op.bounds()), direction),
            Action::Prefix => {
                let end = prefix_end(&key);
                let bounds = prefix_bounds(&key, end.as_deref());
                self.scan(bounds, Direction::Forward);
            }
            Action::Flush => self.store.begin_flush(),
            Action::Pull | Action::Restore => {
                self.pull();
            }
            Action::TakeChangelog => self.replay(),
            Action::Crash => {}
            Action::Clear => {
                self.store.clear().expect("rows in memory do not fail");
                self.view.clear();
                self.downstream.clear();
                self.replayed.clear();
            }
            Action::Resize => {}
        }
    }

    fn note(&mut self, sequence: i64, key: &[u8], value: Option<&[u8]>) {
        set(&mut self.view, key, value);
        let write = (key.to_vec(), value.map(<[u8]>::to_vec));
        self.writes.insert(sequence, write);
    }

    fn scan(&self, bounds: ByteBounds<'_>, direction: Direction) {
        let rows = self.view.clone().into_iter();
        let mut expected: Vec<Row> = rows.filter(|(key, _)| contains(bounds, key)).collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        assert_eq!(collect(self.store.range(bounds, direction)), expected);
    }

    fn pull(&mut self) -> bool {
        let flushed = self.store.next_flushed();
        let Some(entry) = flushed.expect("rows in memory do not fail") else {
            return false;
        };
        let write = &self.writes[&entry.context.offset];
        assert_eq!(write.0, *entry.key);
        assert_eq!(write.1.as_deref(), entry.new.as_deref());
        let last = self
            .last_flushed
            .insert(entry.key.to_vec(), entry.context.offset);
        assert!(last < Some(entry.context.offset), "writes in order");
        let before = self.downstream.get(entry.key.as_ref());
        if self.kind.listener == Some(true) {
            assert_eq!(before.map(Vec::as_slice), entry.old.as_deref());
        }
        assert!(before.is_some() || entry.new.is_some(), "no empty change");
        set(&mut self.downstream, &entry.key, entry.new.as_deref());
        true
    }

    fn replay(&mut self) {
        for record in records(&mut self.store) {
            let value = stored(self.kind.format, &record);
            set(&mut self.replayed, &record.key, value.as_deref());
        }
    }

    fn check(&self, key: &[u8]) {
        let found = self.store.peek(key).expect("rows in memory do not fail");
        let expected = self.view.get(key);
        assert_eq!(found.as_deref(), expected.map(Vec::as_slice));
        if self.kind.is_cached && self.kind.listener.is_some() {
            let rows = collect(self.store.rows().range(ALL_KEYS, Direction::Forward));
            let expected: Vec<Row> = self.downstream.clone().into_iter().collect();
            assert_eq!(rows, expected, "written down before forwarded");
        }
    }

    fn finish(&mut self) {
        self.store.begin_flush();
        while self.pull() {}
        assert!(!self.store.has_pending());
        self.store.begin_flush();
        assert!(!self.store.has_pending(), "nothing is left dirty");
        self.replay();
        self.scan(ALL_KEYS, Direction::Backward);
        let rows = collect(self.store.rows().range(ALL_KEYS, Direction::Forward));
        let expected: Vec<Row> = self.view.clone().into_iter().collect();
        assert_eq!(rows, expected);
        assert_eq!(self.replayed, self.view);
        if self.kind.is_cached && self.kind.listener.is_some() {
            assert_eq!(self.downstream, self.view);
        }
    }
}
