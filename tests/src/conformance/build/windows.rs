//! Calls that group by windows, and calls on what they give.

use std::any::Any;
use std::time::Duration;

use eddyline_core::dsl::{
    EmitStrategy, KGroupedStream, SessionWindowedKStream, SessionWindows, SlidingWindows,
    TimeWindowedKStream, TimeWindows, UnlimitedWindows,
};
use serde_json::Value;

use super::grouped::{aggregator, initializer, non_null};
use super::{Build, BuildError, Cell, Handle, Operand, function, given, name};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{functions, text};

/// The windows of a call.
pub(super) enum Windows {
    Time(TimeWindows),
    Sliding(SlidingWindows),
    Session(SessionWindows),
    Unlimited(UnlimitedWindows),
}

impl Windows {
    pub(super) fn of(op: &Value) -> Result<Self, BuildError> {
        let window = &op["window"];
        let number = |field| window.get(field).and_then(Value::as_u64);
        let ms = |field| Duration::from_millis(number(field).unwrap_or_default());
        let grace = number("grace_ms").map(Duration::from_millis);
        let time = || match grace {
            Some(grace) => TimeWindows::of_size_and_grace(ms("size_ms"), grace),
            None => TimeWindows::of_size_with_no_grace(ms("size_ms")),
        };
        Ok(match text(window, "type").unwrap_or_default() {
            "tumbling" => Self::Time(time()),
            "hopping" => Self::Time(time().advance_by(ms("advance_ms"))),
            "sliding" => Self::Sliding(match grace {
                Some(grace) => SlidingWindows::of_time_difference_and_grace(ms("diff_ms"), grace),
                None => SlidingWindows::of_time_difference_with_no_grace(ms("diff_ms")),
            }),
            "session" => Self::Session(match grace {
                Some(grace) => SessionWindows::of_inactivity_gap_and_grace(ms("gap_ms"), grace),
                None => SessionWindows::of_inactivity_gap_with_no_grace(ms("gap_ms")),
            }),
            "unlimited" => {
                let start = window.get("start_ms").and_then(Value::as_i64);
                Self::Unlimited(UnlimitedWindows::of().start_on(start.unwrap_or_default()))
            }
            other => return Err(BuildError::unsupported(format!("{other} windows"))),
        })
    }
}

/// Groups a grouped stream by windows.
pub(super) fn windowed_by<V: Cell>(
    grouped: &KGroupedStream<Key, Option<V>>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let strategy = match text(op, "emit") {
        Some("on_window_close") => EmitStrategy::OnWindowClose,
        _ => EmitStrategy::OnWindowUpdate,
    };
    match Windows::of(op)? {
        Windows::Time(windows) => given(grouped.windowed_by(windows).emit_strategy(strategy)),
        Windows::Sliding(windows) => given(grouped.windowed_by(windows).emit_strategy(strategy)),
        Windows::Session(windows) => given(grouped.windowed_by(windows).emit_strategy(strategy)),
        Windows::Unlimited(windows) => given(grouped.windowed_by(windows).emit_strategy(strategy)),
    }
}

/// A value that may be null, as functions of the library see it.
fn datum<V: Cell>(value: Option<V>) -> Datum {
    value.map_or(Datum::Null, |value| value.datum())
}

/// An aggregator of values that may be null.
pub(super) fn add<V: Cell>(
    op: &Value,
) -> Result<impl Fn(&Key, Option<V>, Datum) -> Option<Datum> + Send + Sync + 'static, BuildError> {
    let add = aggregator(op, "fn")?;
    Ok(move |key: &Key, value, before| add(key, datum(value), before).and_then(non_null))
}

/// A reducer of values that may be null.
fn combine<V: Cell>(
    op: &Value,
) -> Result<impl Fn(V, Option<V>) -> Option<V> + Send + Sync + 'static, BuildError> {
    let reduce = function(op, "fn", functions::reducer)?;
    Ok(move |before: V, value| {
        let reduced = reduce(before.datum(), datum(value)).and_then(non_null);
        reduced.map(V::from_datum)
    })
}

/// A merger of sessions.
pub(super) fn merger(
    op: &Value,
) -> Result<impl Fn(&Key, Datum, Datum) -> Datum + Send + Sync + 'static, BuildError> {
    let merge = function(op, "merger", functions::reducer)?;
    Ok(move |_: &Key, one, other| merge(one, other).unwrap_or(Datum::Null))
}

impl<V: Cell> Operand for TimeWindowedKStream<Key, Option<V>> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let specs = &mut build.specs;
        let named = text(op, "name").map(|name| self.named(name));
        let windowed = named.as_ref().unwrap_or(self);
        match name(op) {
            "count" => {
                let store = stores::materialized(op, specs, StoreKind::TimestampedWindowLong)?;
                given(windowed.count(store.unwrap_or_default()))
            }
            "reduce" => {
                let store = stores::materialized(op, specs, V::STORE_KIND.of_windows())?;
                given(windowed.reduce::<V, _>(combine(op)?, store.unwrap_or_default()))
            }
            "aggregate" => {
                let store = stores::materialized(op, specs, StoreKind::TimestampedWindow)?;
                let store = store.unwrap_or_default();
                given(windowed.aggregate(initializer(op)?, add(op)?, store))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<V: Cell> Operand for SessionWindowedKStream<Key, Option<V>> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let specs = &mut build.specs;
        let named = text(op, "name").map(|name| self.named(name));
        let windowed = named.as_ref().unwrap_or(self);
        match name(op) {
            "count" => {
                let store = stores::materialized(op, specs, StoreKind::SessionLong)?;
                given(windowed.count(store.unwrap_or_default()))
            }
            "reduce" => {
                let store = stores::materialized(op, specs, V::STORE_KIND.of_sessions())?;
                given(windowed.reduce::<V, _>(combine(op)?, store.unwrap_or_default()))
            }
            "aggregate" => {
                let store = stores::materialized(op, specs, StoreKind::Session)?;
                let (store, merge) = (store.unwrap_or_default(), merger(op)?);
                given(windowed.aggregate(initializer(op)?, add(op)?, merge, store))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
