//! Calls on cogrouped streams.

use std::any::Any;

use eddyline_core::dsl::{
    CogroupedKStream, KGroupedStream, SessionWindowedCogroupedKStream, TimeWindowedCogroupedKStream,
};
use serde_json::Value;

use super::grouped::initializer;
use super::windows::{Windows, add, merger};
use super::{Build, BuildError, Cell, Handle, Operand, given, name};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::text;

/// Begins a cogroup with a grouped stream.
pub(super) fn cogroup<V: Cell>(
    grouped: &KGroupedStream<Key, Option<V>>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    given(grouped.cogroup::<Datum, _>(add(op)?))
}

impl Operand for CogroupedKStream<Key, Datum> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let cogrouped = named.as_ref().unwrap_or(self);
        match name(op) {
            "cogroup" => {
                let cogrouped = cogrouped.clone();
                if let Some(other) = build.with::<KGroupedStream<Key, Option<Datum>>>(op)? {
                    return given(cogrouped.cogroup(&other, add(op)?));
                }
                match build.with::<KGroupedStream<Key, Option<i64>>>(op)? {
                    Some(other) => given(cogrouped.cogroup(&other, add(op)?)),
                    None => Err(BuildError::unsupported("a cogroup with this operand")),
                }
            }
            "windowed_by" => match Windows::of(op)? {
                Windows::Time(windows) => given(cogrouped.windowed_by(windows)),
                Windows::Sliding(windows) => given(cogrouped.windowed_by(windows)),
                Windows::Session(windows) => given(cogrouped.windowed_by(windows)),
                Windows::Unlimited(windows) => given(cogrouped.windowed_by(windows)),
            },
            "aggregate" => {
                let store = stores::materialized(op, &mut build.specs, StoreKind::Timestamped)?;
                given(cogrouped.aggregate(initializer(op)?, store.unwrap_or_default()))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Operand for TimeWindowedCogroupedKStream<Key, Datum> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let cogrouped = named.as_ref().unwrap_or(self);
        match name(op) {
            "aggregate" => {
                let kind = StoreKind::TimestampedWindow;
                let store = stores::materialized(op, &mut build.specs, kind)?;
                given(cogrouped.aggregate(initializer(op)?, store.unwrap_or_default()))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Operand for SessionWindowedCogroupedKStream<Key, Datum> {
    fn operate(&self, op: &Value, build: &mut Build) -> Result<Option<Handle>, BuildError> {
        let named = text(op, "name").map(|name| self.named(name));
        let cogrouped = named.as_ref().unwrap_or(self);
        match name(op) {
            "aggregate" => {
                let store = stores::materialized(op, &mut build.specs, StoreKind::Session)?;
                let (store, merge) = (store.unwrap_or_default(), merger(op)?);
                given(cogrouped.aggregate(initializer(op)?, merge, store))
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
