//! Calls on the builder: sources and stores.

use eddyline_core::dsl::{Consumed, Materialized};
use eddyline_core::serde::{DefaultSerde, SerdeRef};
use eddyline_core::state::StoreBuilder;
use eddyline_core::types::AutoOffsetReset;
use serde_json::Value;

use super::{Build, BuildError, Cell, Handle, KeyCell, given, name, nullable};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::extractors::{Extractor, SourceValue};
use crate::conformance::scripts::GlobalUpdate;
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{text, texts};

impl Build {
    /// A call without an operand.
    pub(super) fn source(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        match name(op) {
            "stream" => self.stream(op),
            "table" => self.table(op),
            "global_table" => self.global_table(op),
            "add_store" => {
                let store = self.store(op)?;
                self.builder.add_state_store(store);
                Ok(None)
            }
            "add_global_store" => self.global_store(op),
            _ => Err(BuildError::missing(op)),
        }
    }

    /// A stand-alone store.
    pub(super) fn store(&mut self, op: &Value) -> Result<Box<dyn StoreBuilder>, BuildError> {
        let (spec, builder) = stores::stand_alone(&op["store"])?;
        self.specs.insert(builder.name().to_owned(), spec);
        Ok(builder)
    }

    fn global_store(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        self.input(op);
        let store = self.store(op)?;
        let name = store.name().to_owned();
        if !matches!(self.specs[&name].kind, StoreKind::Plain) {
            return Err(BuildError::unsupported("global stores of this kind"));
        }
        let values = nullable::<Datum>(text(op, "value_serde").unwrap_or("string"));
        let (topic, consumed) = (text(op, "topic").unwrap_or_default(), consumed(op, values)?);
        let supplier = move || GlobalUpdate(name.clone());
        self.builder
            .add_global_store(store, topic, consumed, supplier);
        Ok(None)
    }

    fn stream(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        self.input(op);
        let topics = texts(op, "topic");
        let values = match text(op, "value_serde") {
            Some(name) => nullable::<Datum>(name),
            None => Option::<Datum>::default_serde(),
        };
        let stream = self.builder.stream_with(topics, consumed(op, values)?);
        given(stream)
    }

    fn table(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        self.input(op);
        let topic = text(op, "topic").unwrap_or_default();
        let values = Datum::serde(text(op, "value_serde").unwrap_or("string"));
        let store = stores::materialized(op, &mut self.specs, StoreKind::Timestamped)?;
        let store = store.unwrap_or_else(Materialized::default);
        let table = self.builder.table_with(topic, consumed(op, values)?, store);
        given(table)
    }

    fn global_table(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        self.input(op);
        let topic = text(op, "topic").unwrap_or_default();
        let values = Datum::serde(text(op, "value_serde").unwrap_or("string"));
        let store = stores::materialized(op, &mut self.specs, StoreKind::Timestamped)?;
        let store = store.unwrap_or_else(Materialized::default);
        let consumed = consumed(op, values)?;
        given(self.builder.global_table_with(topic, consumed, store))
    }
}

fn consumed<V: SourceValue + 'static>(
    op: &Value,
    values: SerdeRef<V>,
) -> Result<Consumed<Key, V>, BuildError> {
    let keys = Key::named_serde(text(op, "key_serde").unwrap_or("string"));
    let mut consumed = Consumed::with(keys, values);
    if let Some(extractor) = extractor(op)? {
        consumed = consumed.with_timestamp_extractor(extractor);
    }
    if let Some(policy) = text(op, "offset_reset") {
        consumed = consumed.with_offset_reset_policy(match policy {
            "latest" => AutoOffsetReset::Latest,
            _ => AutoOffsetReset::Earliest,
        });
    }
    Ok(match text(op, "name") {
        Some(name) => consumed.with_name(name),
        None => consumed,
    })
}

/// The timestamp extractor that a call names.
pub(super) fn extractor(op: &Value) -> Result<Option<Extractor>, BuildError> {
    let Some(name) = text(op, "timestamp_extractor") else {
        return Ok(None);
    };
    let extractor = Extractor::named(name);
    let missing = || BuildError::unsupported(format!("the timestamp extractor {name}"));
    extractor.ok_or_else(missing).map(Some)
}
