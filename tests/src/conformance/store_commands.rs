//! The store command language: `<store> <command> <argument>...`.

use std::ops::Bound;

use eddyline_core::processor::{ProcessingContext, ProcessorError};
use eddyline_core::serde::SerdeError;
use eddyline_core::state::{
    AggregationWithHeaders, KeyValueStore, Plain, PutReturn, SessionStore, SessionStoreWithHeaders,
    StateError, StateStore, Timestamped, TimestampedKeyValueStore,
    TimestampedKeyValueStoreWithHeaders, TimestampedWindowStore, TimestampedWindowStoreWithHeaders,
    TimestampedWithHeaders, TypedKeyValueStore, ValueAndTimestamp, ValueLayout,
    ValueTimestampHeaders, VersionedKeyValueStore, VersionedRecord, VersionedRecordIterator,
    WindowStore, WithHeaders,
};
use eddyline_core::types::{Headers, RecordContext};
use eddyline_sim::TopologyTestDriver;
use serde_json::{Value, json};

use super::build::{Cell, nullable};
use super::datum::{Datum, Key};
use super::hex;
use super::stores::{StoreKind, StoreSpec, StoreSpecs};

/// Someone who may use stores.
pub(super) trait Access {
    fn with<S: StateStore, R>(
        &mut self,
        store: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError>;
}

impl Access for ProcessingContext<'_> {
    fn with<S: StateStore, R>(
        &mut self,
        store: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        self.with_store(store, access)
    }
}

impl Access for TopologyTestDriver {
    fn with<S: StateStore, R>(
        &mut self,
        store: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        Ok(self.state_store::<S>(store)?.with(access)?)
    }
}

/// Runs a command; what the store refuses is part of the result.
pub(super) fn run(
    access: &mut impl Access,
    specs: &StoreSpecs,
    command: &str,
) -> Result<Value, ProcessorError> {
    let mut tokens: Vec<&str> = command.split_whitespace().collect();
    let Some(spec) = specs.get(tokens[0]) else {
        return Err(ProcessorError::new(format!("no store {}", tokens[0])));
    };
    let result = dispatch(access, spec, &tokens)?;
    if let Some(forward) = tokens[1].strip_prefix("reverse_") {
        // The oracle compares with the forward twin. That is seen: reads move entries of the cache.
        tokens[1] = forward;
        dispatch(access, spec, &tokens)?.ok();
    }
    Ok(result.unwrap_or_else(|refusal| json!({ "error": refusal.exception() })))
}

fn dispatch(
    access: &mut impl Access,
    spec: &StoreSpec,
    tokens: &[&str],
) -> Result<Result<Value, Refusal>, ProcessorError> {
    macro_rules! of {
        ($store:ty) => {
            access.with::<$store, _>(tokens[0], |store, context| {
                store.command(&Command {
                    spec,
                    tokens,
                    context,
                })
            })
        };
    }
    match spec.kind {
        StoreKind::Plain => of!(KeyValueStore<Key, Datum>),
        StoreKind::Timestamped => of!(TimestampedKeyValueStore<Key, Datum>),
        StoreKind::TimestampedLong => of!(TimestampedKeyValueStore<Key, i64>),
        StoreKind::Headers => of!(TimestampedKeyValueStoreWithHeaders<Key, Datum>),
        StoreKind::Window => of!(WindowStore<Key, Datum>),
        StoreKind::TimestampedWindow => of!(TimestampedWindowStore<Key, Datum>),
        StoreKind::TimestampedWindowLong => of!(TimestampedWindowStore<Key, i64>),
        StoreKind::HeadersWindow => of!(TimestampedWindowStoreWithHeaders<Key, Datum>),
        StoreKind::Session => of!(SessionStore<Key, Datum>),
        StoreKind::SessionLong => of!(SessionStore<Key, i64>),
        StoreKind::HeadersSession => of!(SessionStoreWithHeaders<Key, Datum>),
        StoreKind::Versioned => of!(VersionedKeyValueStore<Key, Datum>),
        StoreKind::VersionedLong => of!(VersionedKeyValueStore<Key, i64>),
    }
}

/// Why a command has no result.
pub(super) enum Refusal {
    /// The store said so.
    Store(StateError),
    /// Java's classes do not take the arguments.
    Argument,
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::Store(error)
    }
}

impl Refusal {
    /// What Java throws.
    fn exception(&self) -> &'static str {
        match self {
            Self::Argument => "IllegalArgumentException",
            Self::Store(
                StateError::NullKey { .. }
                | StateError::Serde {
                    error: SerdeError::Null { .. },
                    ..
                },
            ) => "NullPointerException",
            Self::Store(StateError::Serde { .. }) => "StreamsException",
            Self::Store(_) => "ProcessorStateException",
        }
    }
}

/// A command on its way to its store.
pub(super) struct Command<'a> {
    pub(super) spec: &'a StoreSpec,
    tokens: &'a [&'a str],
    pub(super) context: &'a RecordContext,
}

impl Command<'_> {
    /// What is to be done, and true for the reverse of it.
    pub(super) fn name(&self) -> (&str, bool) {
        match self.tokens[1].strip_prefix("reverse_") {
            Some(name) => (name, true),
            None => (self.tokens[1], false),
        }
    }

    /// The key at a place; null where there is none.
    pub(super) fn key(&self, at: usize) -> Key {
        self.spec.keys.parse(self.tokens.get(at)?)
    }

    pub(super) fn number(&self, at: usize) -> i64 {
        self.tokens[at]
            .parse()
            .expect("a number in a store command")
    }

    /// The keys from one place to the next.
    pub(super) fn keys(&self, at: usize) -> (Bound<Key>, Bound<Key>) {
        let bound = |at| match self.key(at) {
            Some(key) => Bound::Included(Some(key)),
            None => Bound::Unbounded,
        };
        (bound(at), bound(at + 1))
    }

    /// The value that begins at a place.
    pub(super) fn value<L: Layout, V: Cell>(&self, at: usize) -> Option<L::Stored<V>> {
        let value = self.spec.values.parse(self.tokens[at])?;
        let timestamp = || self.number(at + 1);
        let headers = || self.context.headers.clone();
        Some(L::make(V::from_datum(value), timestamp, headers))
    }
}

/// A store that takes commands.
pub(super) trait Commands {
    fn command(&mut self, command: &Command<'_>) -> Result<Value, Refusal>;
}

/// Values as stores take them from tokens and as results show them.
pub(super) trait Layout: ValueLayout {
    /// How many tokens a value has.
    const TOKENS: usize;
    fn make<V>(
        value: V,
        timestamp: impl Fn() -> i64,
        headers: impl Fn() -> Headers,
    ) -> Self::Stored<V>;
    fn json<V: Cell>(stored: &Self::Stored<V>) -> Value;
}

impl Layout for Plain {
    const TOKENS: usize = 1;
    fn make<V>(value: V, _: impl Fn() -> i64, _: impl Fn() -> Headers) -> V {
        value
    }
    fn json<V: Cell>(stored: &V) -> Value {
        stored.datum().json()
    }
}

impl Layout for Timestamped {
    const TOKENS: usize = 2;
    fn make<V>(
        value: V,
        timestamp: impl Fn() -> i64,
        _: impl Fn() -> Headers,
    ) -> ValueAndTimestamp<V> {
        ValueAndTimestamp::new(value, timestamp())
    }
    fn json<V: Cell>(stored: &ValueAndTimestamp<V>) -> Value {
        json!([stored.value.datum().json(), stored.timestamp])
    }
}

impl Layout for WithHeaders {
    const TOKENS: usize = 1;
    fn make<V>(
        value: V,
        _: impl Fn() -> i64,
        headers: impl Fn() -> Headers,
    ) -> AggregationWithHeaders<V> {
        AggregationWithHeaders::new(value, headers())
    }
    fn json<V: Cell>(stored: &AggregationWithHeaders<V>) -> Value {
        json!([
            stored.aggregation.datum().json(),
            of_headers(&stored.headers)
        ])
    }
}

impl Layout for TimestampedWithHeaders {
    const TOKENS: usize = 2;
    fn make<V>(
        value: V,
        timestamp: impl Fn() -> i64,
        headers: impl Fn() -> Headers,
    ) -> ValueTimestampHeaders<V> {
        ValueTimestampHeaders::new(value, timestamp(), headers())
    }
    fn json<V: Cell>(stored: &ValueTimestampHeaders<V>) -> Value {
        let headers = of_headers(&stored.headers);
        json!([stored.value.datum().json(), stored.timestamp, headers])
    }
}

fn of_headers(headers: &Headers) -> Value {
    let headers = headers.as_slice().iter();
    let header = headers.map(|h| json!([&*h.key, h.value.as_ref().map(|value| hex(value))]));
    header.collect()
}

/// A key as results show it.
pub(super) fn of_key(key: &Key) -> Value {
    key.as_ref().map_or(Value::Null, Datum::json)
}

/// A value that was found.
pub(super) fn found<L: Layout, V: Cell>(value: Option<L::Stored<V>>) -> Value {
    value.as_ref().map_or(Value::Null, L::json::<V>)
}

/// A result of a table's store that keeps headers, which tables leave empty: the oracle shows them.
pub(super) fn with_no_headers<L: Layout>(result: Value) -> Value {
    let shown = |value: Value| match value {
        Value::Array(mut parts) if L::TOKENS > 1 => {
            parts.push(json!([]));
            Value::Array(parts)
        }
        value => json!([value, []]),
    };
    match result {
        Value::Array(rows) if rows.iter().all(Value::is_array) => {
            let row = |row: Value| json!([row[0], shown(row[1].clone())]);
            rows.into_iter().map(row).collect()
        }
        Value::Null => Value::Null,
        value => shown(value),
    }
}

/// What an iterator gives, each key as `of_key` shows it.
pub(super) fn rows<L: Layout, V: Cell, K>(
    rows: impl Iterator<Item = Result<(K, L::Stored<V>), StateError>>,
    of_key: impl Fn(&K) -> Value,
) -> Result<Value, Refusal> {
    let row = |row: Result<(K, L::Stored<V>), StateError>| {
        let (key, value) = row?;
        Ok(json!([of_key(&key), L::json::<V>(&value)]))
    };
    rows.map(row).collect()
}

impl<V: Cell, L: Layout> Commands for TypedKeyValueStore<Key, V, L> {
    fn command(&mut self, command: &Command<'_>) -> Result<Value, Refusal> {
        let (key, context) = (command.key(2), command.context);
        let value = |at| command.value::<L, V>(at);
        let format = self.bytes().format();
        let result = match command.name() {
            ("put", _) => {
                self.put(&key, value(3).as_ref(), context)?;
                return Ok(json!("ok"));
            }
            ("put_if_absent", _) => {
                let before = self.put_if_absent(&key, value(3).as_ref(), context)?;
                found::<L, V>(before)
            }
            ("put_all", _) => {
                let width = 1 + L::TOKENS;
                let rows: Vec<_> = (2..)
                    .step_by(width)
                    .take_while(|at| at + width <= command.tokens.len())
                    .map(|at| (command.key(at), value(at + 1)))
                    .collect();
                let rows = rows.iter().map(|(key, value)| (key, value.as_ref()));
                self.put_all(rows, context)?;
                return Ok(json!("ok"));
            }
            ("delete", _) => found::<L, V>(self.delete(&key, context)?),
            ("get", _) => found::<L, V>(self.get(&key)?),
            ("range", false) => rows::<L, V, _>(self.range(command.keys(2))?, of_key)?,
            ("range", true) => rows::<L, V, _>(self.reverse_range(command.keys(2))?, of_key)?,
            ("all", false) => rows::<L, V, _>(self.all()?, of_key)?,
            ("all", true) => rows::<L, V, _>(self.reverse_all()?, of_key)?,
            ("prefix", _) => {
                let serde = nullable::<Datum>(&command.spec.key_serde);
                rows::<L, V, _>(self.prefix_scan(&key, serde.as_ref())?, of_key)?
            }
            ("count", _) => return Ok(json!(self.approximate_num_entries())),
            (other, _) => panic!("unknown store command {other}"),
        };
        Ok(match L::FORMAT.holds(format) {
            true => result,
            false => with_no_headers::<L>(result),
        })
    }
}

impl<V: Cell> Commands for VersionedKeyValueStore<Key, V> {
    fn command(&mut self, command: &Command<'_>) -> Result<Value, Refusal> {
        let key = command.key(2);
        let time = |at: usize, open: i64| match command.tokens[at] {
            "-" => open,
            _ => command.number(at),
        };
        let json = |record: VersionedRecord<V>| {
            json!([
                record.value.datum().json(),
                record.timestamp,
                record.valid_to
            ])
        };
        // Java's point reads do not say how long a version was valid.
        let found = |record: Option<VersionedRecord<V>>| {
            let record = record.map(|record| VersionedRecord {
                valid_to: None,
                ..record
            });
            record.map_or(Value::Null, json)
        };
        let (from, to) = (|| time(3, i64::MIN), || time(4, i64::MAX));
        let versions = |records: VersionedRecordIterator<'_, Key, V>| -> Result<Value, Refusal> {
            records.map(|record| Ok(json(record?))).collect()
        };
        Ok(match command.name().0 {
            "put" => {
                let value = command.value::<Plain, V>(3);
                match self.put(&key, value.as_ref(), time(4, 0))? {
                    PutReturn::ValidTo(time) => json!(time),
                    PutReturn::ValidToUndefined => json!(-1),
                    PutReturn::NotPut => json!(i64::MIN),
                }
            }
            "delete" => found(self.delete(&key, time(3, 0))?),
            "get" => found(self.get(&key)?),
            "get_as_of" => found(self.get_as_of(&key, time(3, 0))?),
            "history" => versions(self.reverse_history(&key, from(), to())?)?,
            "history_ascending" => versions(self.history(&key, from(), to())?)?,
            other => panic!("unknown store command {other}"),
        })
    }
}

/// The commands of a record's value, which are separated by `;`.
pub(super) fn commands(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(';')
        .map(str::trim)
        .filter(|command| !command.is_empty())
}
