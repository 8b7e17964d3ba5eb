//! A naive copy of the whole store layer: what is flushed is pulled at once, and everything that
//! comes out must be equal, in order and in context.

use super::{
    ALL_KEYS, Action, BUDGETS, Direction, KINDS, KeyValueBytesStore, Kind, Op, Row, Rows, build,
    collect, contains, lend, logged, records, set, stored,
};
use crate::state::byte_store::{ByteBounds, prefix_bounds, prefix_end};
use crate::state::{CacheBudget, ChangelogRecord, FlushedEntry, StoreBytes};
use crate::types::RecordContext;

/// Runs `ops` on every kind of store, sharing one budget, and on the model.
pub fn check_exact(ops: &[Op]) {
    let budget = CacheBudget::new(BUDGETS[3]);
    let mut stores: Vec<KeyValueBytesStore> =
        KINDS.iter().map(|kind| build(*kind, &budget)).collect();
    let mut models: Vec<Model> = KINDS.iter().map(|kind| Model::new(*kind)).collect();
    for (sequence, op) in ops.iter().enumerate() {
        let at = usize::from(op.store) % KINDS.len();
        let others = size_of_all(&models) - models[at].size();
        let max_bytes = budget.max_bytes().saturating_sub(others);
        let mut step = Step {
            store: &mut stores[at],
            model: &mut models[at],
            max_bytes,
            op,
            context: op.context(sequence as i64),
        };
        match op.action() {
            Action::Resize => {
                budget.resize(BUDGETS[usize::from(op.value) % BUDGETS.len()]);
                for at in 0..KINDS.len() {
                    let others = size_of_all(&models) - models[at].size();
                    let max_bytes = budget.max_bytes().saturating_sub(others);
                    stores[at].shrink_cache();
                    models[at].evict(max_bytes);
                    settle(&mut stores[at], &mut models[at]);
                }
            }
            action => {
                step.run(action);
                settle(&mut stores[at], &mut models[at]);
            }
        }
        assert_eq!(budget.used(), size_of_all(&models), "bytes after {op:?}");
        let is_held = budget.used() <= budget.max_bytes();
        assert!(is_held || models[at].cache.is_empty(), "bound after {op:?}");
    }
    for (store, model) in stores.iter_mut().zip(&mut models) {
        store.begin_flush();
        model.flush(None);
        settle(store, model);
        model.finish(store);
    }
    drop(stores);
    assert_eq!(budget.used(), 0, "closed stores give their bytes back");
}

fn size_of_all(models: &[Model]) -> usize {
    models.iter().map(Model::size).sum()
}

/// Pulls what waits and compares it, with the changelog and the rows.
fn settle(store: &mut KeyValueBytesStore, model: &mut Model) {
    let mut flushed = Vec::new();
    while let Some(entry) = store.next_flushed().expect("rows in memory do not fail") {
        flushed.push(entry);
    }
    assert!(!store.has_pending());
    assert_eq!(flushed, std::mem::take(&mut model.forwarded));
    let rows = collect(store.rows().range(ALL_KEYS, Direction::Forward));
    let expected: Vec<Row> = model.rows.clone().into_iter().collect();
    assert_eq!(rows, expected);
    let num_entries = store.approximate_num_entries();
    assert_eq!(num_entries, model.rows.len() as u64);
}

struct Step<'a> {
    store: &'a mut KeyValueBytesStore,
    model: &'a mut Model,
    /// What the other stores leave of the budget.
    max_bytes: usize,
    op: &'a Op,
    context: RecordContext,
}

impl Step<'_> {
    fn run(&mut self, action: Action) {
        let key = self.op.key_bytes();
        let value = self
            .op
            .value_bytes(self.model.kind.format, self.context.timestamp);
        match action {
            Action::Put => self.put(&key, Some(&value)),
            Action::Delete => {
                let expected = self.model.get(&key, self.max_bytes);
                let previous = if self.model.kind.listener.is_some() {
                    // What the read evicts is pulled before the write, as it is in Java.
                    let previous = self.store.get(&key).expect("rows in memory do not fail");
                    settle(self.store, self.model);
                    self.put(&key, None);
                    previous
                } else {
                    self.model.put(&key, None, &self.context, self.max_bytes);
                    let previous = self.store.delete(&key, &self.context);
                    previous.expect("rows in memory do not fail")
                };
                assert_eq!(previous.map(|value| value.to_vec()), expected);
            }
            Action::PutIfAbsent => {
                let expected = self.model.get(&key, self.max_bytes);
                if expected.is_none() {
                    self.model
                        .put(&key, Some(&value), &self.context, self.max_bytes);
                }
                let previous = self.store.put_if_absent(&key, Some(&value), &self.context);
                let previous = previous.expect("rows in memory do not fail");
                assert_eq!(previous.map(|value| value.to_vec()), expected);
            }
            Action::Get | Action::Pull => {
                let expected = self.model.get(&key, self.max_bytes);
                let found = self.store.get(&key).expect("rows in memory do not fail");
                assert_eq!(found.map(|value| value.to_vec()), expected);
            }
            Action::Range(direction) => {
                let bounds = self.op.bounds();
                self.scan(lend(&bounds), direction);
            }
            Action::Prefix => {
                let end = prefix_end(&key);
                self.scan(prefix_bounds(&key, end.as_deref()), Direction::Forward);
            }
            Action::Flush => {
                self.store.begin_flush();
                self.model.flush(None);
            }
            Action::Restore => self.restore(&key, &value),
            Action::TakeChangelog => self.model.take_changelog(self.store),
            Action::Clear => {
                self.store.clear().expect("rows in memory do not fail");
                *self.model = Model::new(self.model.kind);
                assert!(records(self.store).is_empty());
            }
            Action::Crash => self.crash(),
            Action::Resize => {}
        }
    }

    /// What is dirty is lost. What went down is in the changelog.
    fn crash(&mut self) {
        self.model.take_changelog(self.store);
        self.store.clear().expect("rows in memory do not fail");
        for record in &self.model.history {
            self.store
                .restore(record)
                .expect("rows in memory do not fail");
        }
        self.model.cache.clear();
        self.model.dirty.clear();
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.model.put(key, value, &self.context, self.max_bytes);
        self.store
            .put(key, value, &self.context)
            .expect("rows in memory do not fail");
    }

    fn scan(&mut self, bounds: ByteBounds<'_>, direction: Direction) {
        let mut expected = self.model.view();
        expected.retain(|key, _| contains(bounds, key));
        let mut expected: Vec<Row> = expected.into_iter().collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        assert_eq!(collect(self.store.range(bounds, direction)), expected);
        self.model.promote(bounds, direction);
    }

    fn restore(&mut self, key: &[u8], value: &[u8]) {
        self.model.take_changelog(self.store);
        let value = (!self.op.value.is_multiple_of(4)).then_some(value);
        let record = logged(self.model.kind.format, key, value, &self.context);
        self.store
            .restore(&record)
            .expect("rows in memory do not fail");
        set(&mut self.model.rows, key, value);
        set(&mut self.model.replayed, key, value);
        set(&mut self.model.downstream, key, value);
        self.model.history.push(record);
    }
}

/// The layers of one store, each as naive as can be.
struct Model {
    kind: Kind,
    rows: Rows,
    /// Most recently used first.
    cache: Vec<Cached>,
    /// Keys in order of last write.
    dirty: Vec<Vec<u8>>,
    log: Vec<ChangelogRecord>,
    /// The whole changelog topic.
    history: Vec<ChangelogRecord>,
    forwarded: Vec<FlushedEntry>,
    /// What the changelog makes of empty rows.
    replayed: Rows,
    /// What the forwarded changes make of nothing.
    downstream: Rows,
}

#[derive(Clone)]
struct Cached {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    /// `None`: was read, not written.
    context: Option<RecordContext>,
}

impl Cached {
    fn size(&self) -> usize {
        let context = self.context.as_ref();
        let topic = context.and_then(|context| context.topic.as_ref());
        self.key.len()
            + self.value.as_ref().map_or(0, Vec::len)
            + topic.map_or(0, |topic| topic.as_str().len())
            + context.map_or(0, RecordContext::headers_size_bytes)
            + 45
    }
}

impl Model {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            rows: Rows::new(),
            cache: Vec::new(),
            dirty: Vec::new(),
            log: Vec::new(),
            history: Vec::new(),
            forwarded: Vec::new(),
            replayed: Rows::new(),
            downstream: Rows::new(),
        }
    }

    fn size(&self) -> usize {
        self.cache.iter().map(Cached::size).sum()
    }

    fn view(&self) -> Rows {
        let mut view = self.rows.clone();
        for cached in &self.cache {
            set(&mut view, &cached.key, cached.value.as_deref());
        }
        view
    }

    fn take(&mut self, key: &[u8]) -> Option<Cached> {
        let at = self.cache.iter().position(|cached| cached.key == key)?;
        Some(self.cache.remove(at))
    }

    fn promote(&mut self, bounds: ByteBounds<'_>, direction: Direction) {
        let mut keys: Vec<Vec<u8>> = self.cache.iter().map(|entry| entry.key.clone()).collect();
        keys.retain(|key| contains(bounds, key));
        keys.sort();
        if direction == Direction::Backward {
            keys.reverse();
        }
        for key in keys {
            let cached = self.take(&key).expect("is cached");
            self.cache.insert(0, cached);
        }
    }

    fn get(&mut self, key: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
        if let Some(cached) = self.take(key) {
            self.cache.insert(0, cached.clone());
            return cached.value;
        }
        let value = self.rows.get(key)?.clone();
        if self.kind.is_cached {
            let clean = Cached {
                key: key.to_vec(),
                value: Some(value.clone()),
                context: None,
            };
            self.cache.insert(0, clean);
            self.evict(max_bytes);
        }
        Some(value)
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>, context: &RecordContext, max_bytes: usize) {
        if !self.kind.is_cached {
            self.write(key, value, context);
            return;
        }
        self.take(key);
        let cached = Cached {
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
            context: Some(context.clone()),
        };
        self.cache.insert(0, cached);
        self.dirty.retain(|dirty| dirty != key);
        self.dirty.push(key.to_vec());
        self.evict(max_bytes);
    }

    fn evict(&mut self, max_bytes: usize) {
        while self.size() > max_bytes {
            let Some(evicted) = self.cache.pop() else {
                return;
            };
            if self.dirty.contains(&evicted.key) {
                self.flush(Some(evicted));
            }
        }
    }

    fn flush(&mut self, evicted: Option<Cached>) {
        let mut keys = std::mem::take(&mut self.dirty);
        let mut batch = Vec::new();
        if let Some(evicted) = evicted {
            keys.retain(|key| *key != evicted.key);
            batch.push(evicted);
        }
        for key in keys {
            let cached = self.cache.iter().find(|cached| cached.key == key);
            batch.push(cached.expect("dirty keys are cached").clone());
        }
        for entry in &batch {
            let context = entry.context.clone().expect("was written");
            self.move_down(&entry.key, entry.value.as_deref(), context);
        }
        for entry in batch.iter().filter(|entry| entry.value.is_none()) {
            self.take(&entry.key);
        }
    }

    fn move_down(&mut self, key: &[u8], value: Option<&[u8]>, context: RecordContext) {
        let old = self.rows.get(key).cloned();
        let Some(send_old_values) = self.kind.listener else {
            self.write(key, value, &context);
            return;
        };
        if value.is_none() && old.is_none() {
            return;
        }
        self.write(key, value, &context);
        assert_eq!(
            self.downstream.get(key),
            old.as_ref(),
            "old is the last new"
        );
        set(&mut self.downstream, key, value);
        self.forwarded.push(FlushedEntry {
            key: StoreBytes::new(key),
            new: value.map(StoreBytes::new),
            old: old
                .filter(|_| send_old_values)
                .map(|old| StoreBytes::new(&old)),
            context,
        });
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>, context: &RecordContext) {
        set(&mut self.rows, key, value);
        let record = logged(self.kind.format, key, value, context);
        self.log.push(record);
    }

    fn take_changelog(&mut self, store: &mut KeyValueBytesStore) {
        let taken = records(store);
        for record in &taken {
            let value = stored(self.kind.format, record);
            set(&mut self.replayed, &record.key, value.as_deref());
        }
        assert_eq!(taken, std::mem::take(&mut self.log));
        self.history.extend(taken);
    }

    /// With nothing dirty: rows, changelog and forwarded changes agree.
    fn finish(&mut self, store: &mut KeyValueBytesStore) {
        self.take_changelog(store);
        assert_eq!(self.replayed, self.rows);
        if self.kind.is_cached && self.kind.listener.is_some() {
            assert_eq!(self.downstream, self.rows);
        }
    }
}
