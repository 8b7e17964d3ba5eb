//! The store command language: `<store> <command> <argument>...`.

use std::ops::Bound;

use eddyline_core::processor::{ProcessingContext, ProcessorError, ProcessorGraph};
use eddyline_core::serde::SerdeError;
use eddyline_core::state::{
    KeyValueStore, PutReturn, StateError, StateStore, TimestampedKeyValueStore, ValueAndTimestamp,
    VersionedKeyValueStore, VersionedRecord,
};
use eddyline_core::time::Now;
use eddyline_core::types::RecordContext;
use serde_json::{Value, json};

use super::build::{Cell, nullable};
use super::datum::{Datum, Key, Kind};
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

/// A reader from outside.
pub(super) struct Outside<'a> {
    pub(super) graph: &'a mut ProcessorGraph,
    pub(super) now: Now,
}

impl Access for Outside<'_> {
    fn with<S: StateStore, R>(
        &mut self,
        store: &str,
        access: impl FnOnce(&mut S, &RecordContext) -> R,
    ) -> Result<R, ProcessorError> {
        Ok(self.graph.with_store(self.now, store, access)?)
    }
}

/// Runs a command; what the store refuses is part of the result.
pub(super) fn run(
    access: &mut impl Access,
    specs: &StoreSpecs,
    command: &str,
) -> Result<Value, ProcessorError> {
    let tokens: Vec<&str> = command.split_whitespace().collect();
    let Some(spec) = specs.get(tokens[0]) else {
        return Err(ProcessorError::new(format!("no store {}", tokens[0])));
    };
    let name = tokens[0];
    let result = match spec.kind {
        StoreKind::Plain => {
            access.with::<KeyValueStore<Key, Datum>, _>(name, |s, c| s.command(spec, &tokens, c))
        }
        StoreKind::Timestamped => access
            .with::<TimestampedKeyValueStore<Key, Datum>, _>(name, |s, c| {
                s.command(spec, &tokens, c)
            }),
        StoreKind::TimestampedLong => access
            .with::<TimestampedKeyValueStore<Key, i64>, _>(name, |s, c| {
                s.command(spec, &tokens, c)
            }),
        StoreKind::Versioned => access
            .with::<VersionedKeyValueStore<Key, Datum>, _>(name, |s, c| {
                s.command(spec, &tokens, c)
            }),
    }?;
    Ok(result.unwrap_or_else(|error| json!({ "error": exception(&error) })))
}

/// What Java throws.
fn exception(error: &StateError) -> &'static str {
    match error {
        StateError::NullKey { .. }
        | StateError::Serde {
            error: SerdeError::Null { .. },
            ..
        } => "NullPointerException",
        StateError::Serde { .. } => "StreamsException",
        _ => "ProcessorStateException",
    }
}

trait Commands {
    fn command(
        &mut self,
        spec: &StoreSpec,
        tokens: &[&str],
        context: &RecordContext,
    ) -> Result<Value, StateError>;
}

/// A value as a store takes it from tokens and as results show it.
trait Stored: Sized {
    /// How many tokens it has.
    const TOKENS: usize;
    fn parse(kind: Kind, tokens: &[&str]) -> Option<Self>;
    fn json(&self) -> Value;
}

impl Stored for Datum {
    const TOKENS: usize = 1;
    fn parse(kind: Kind, tokens: &[&str]) -> Option<Self> {
        kind.parse(tokens[0])
    }
    fn json(&self) -> Value {
        Self::json(self)
    }
}

impl<V: Cell> Stored for ValueAndTimestamp<V> {
    const TOKENS: usize = 2;
    fn parse(kind: Kind, tokens: &[&str]) -> Option<Self> {
        let value = kind.parse(tokens[0])?;
        let timestamp = tokens[1].parse().expect("a timestamp in a store command");
        Some(Self::new(V::from_datum(value), timestamp))
    }
    fn json(&self) -> Value {
        json!([self.value.datum().json(), self.timestamp])
    }
}

fn bounds(spec: &StoreSpec, tokens: &[&str]) -> (Bound<Key>, Bound<Key>) {
    let bound = |token| match spec.keys.parse(token) {
        Some(key) => Bound::Included(Some(key)),
        None => Bound::Unbounded,
    };
    (bound(tokens[2]), bound(tokens[3]))
}

fn rows<V: Stored>(
    rows: impl Iterator<Item = Result<(Key, V), StateError>>,
) -> Result<Value, StateError> {
    let row = |row: Result<(Key, V), StateError>| {
        let (key, value) = row?;
        Ok(json!([key.as_ref().map(Datum::json), value.json()]))
    };
    rows.map(row)
        .collect::<Result<Vec<_>, _>>()
        .map(Value::from)
}

macro_rules! key_value_commands {
    ($store:ty, $stored:ty, <$($generic:ident)?>) => {
        impl<$($generic: Cell)?> Commands for $store {
            fn command(
                &mut self,
                spec: &StoreSpec,
                tokens: &[&str],
                context: &RecordContext,
            ) -> Result<Value, StateError> {
                let key = tokens.get(2).and_then(|token| spec.keys.parse(token));
                let value = |at: usize| <$stored>::parse(spec.values, &tokens[at..]);
                let found = |value: Option<$stored>| value.map_or(Value::Null, |v| v.json());
                match tokens[1] {
                    "put" => self.put(&key, value(3).as_ref(), context)?,
                    "put_if_absent" => {
                        let before = self.put_if_absent(&key, value(3).as_ref(), context)?;
                        return Ok(found(before));
                    }
                    "put_all" => {
                        let width = 1 + <$stored>::TOKENS;
                        let rows: Vec<_> = (2..)
                            .step_by(width)
                            .take_while(|at| at + width <= tokens.len())
                            .map(|at| (spec.keys.parse(tokens[at]), value(at + 1)))
                            .collect();
                        let rows = rows.iter().map(|(key, value)| (key, value.as_ref()));
                        self.put_all(rows, context)?;
                    }
                    "delete" => return Ok(found(self.delete(&key, context)?)),
                    "get" => return Ok(found(self.get(&key)?)),
                    "range" => return rows(self.range(bounds(spec, tokens))?),
                    "reverse_range" => return rows(self.reverse_range(bounds(spec, tokens))?),
                    "all" => return rows(self.all()?),
                    "reverse_all" => return rows(self.reverse_all()?),
                    "prefix" => {
                        let serde = nullable::<Datum>(&spec.key_serde);
                        return rows(self.prefix_scan(&key, serde.as_ref())?);
                    }
                    "count" => return Ok(json!(self.approximate_num_entries())),
                    other => panic!("unknown store command {other}"),
                }
                Ok(json!("ok"))
            }
        }
    };
}

key_value_commands!(KeyValueStore<Key, Datum>, Datum, <>);
key_value_commands!(TimestampedKeyValueStore<Key, V>, ValueAndTimestamp<V>, <V>);

impl Commands for VersionedKeyValueStore<Key, Datum> {
    fn command(
        &mut self,
        spec: &StoreSpec,
        tokens: &[&str],
        _context: &RecordContext,
    ) -> Result<Value, StateError> {
        let key = spec.keys.parse(tokens[2]);
        let time = |at: usize, open: i64| match tokens[at] {
            "-" => open,
            time => time.parse().expect("a time in a store command"),
        };
        let json = |record: VersionedRecord<Datum>| {
            json!([record.value.json(), record.timestamp, record.valid_to])
        };
        // Java's point reads do not say how long a version was valid.
        let found = |record: Option<VersionedRecord<Datum>>| {
            let record = record.map(|record| VersionedRecord {
                valid_to: None,
                ..record
            });
            record.map_or(Value::Null, json)
        };
        let (from, to) = (|| time(3, i64::MIN), || time(4, i64::MAX));
        Ok(match tokens[1] {
            "put" => {
                let value = spec.values.parse(tokens[3]);
                match self.put(&key, value.as_ref(), time(4, 0))? {
                    PutReturn::ValidTo(time) => json!(time),
                    PutReturn::ValidToUndefined => json!(-1),
                    PutReturn::NotPut => json!(i64::MIN),
                }
            }
            "delete" => found(self.delete(&key, time(3, 0))?),
            "get" => found(self.get(&key)?),
            "get_as_of" => found(self.get_as_of(&key, time(3, 0))?),
            "history" => self
                .reverse_history(&key, from(), to())?
                .map(|record| record.map(json))
                .collect::<Result<_, _>>()?,
            "history_ascending" => self
                .history(&key, from(), to())?
                .map(|record| record.map(json))
                .collect::<Result<_, _>>()?,
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
