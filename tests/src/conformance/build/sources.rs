//! Calls on the builder: sources and stores.

use eddyline_core::dsl::{Consumed, Materialized};
use eddyline_core::serde::DefaultSerde;
use eddyline_core::state::StoreBuilder;
use serde_json::Value;

use super::{Build, BuildError, Cell, Handle, KeyCell, given, name, nullable};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::stores::{self, StoreKind};
use crate::conformance::{text, texts};

impl Build {
    /// A call without an operand.
    pub(super) fn source(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        match name(op) {
            "stream" => self.stream(op),
            "table" => self.table(op),
            "add_store" => {
                let store = self.store(op)?;
                self.builder.add_state_store(store);
                Ok(None)
            }
            _ => Err(BuildError::missing(op)),
        }
    }

    /// A stand-alone store.
    pub(super) fn store(&mut self, op: &Value) -> Result<Box<dyn StoreBuilder>, BuildError> {
        let (spec, builder) = stores::stand_alone(&op["store"])?;
        self.specs.insert(builder.name().to_owned(), spec);
        Ok(builder)
    }

    fn stream(&mut self, op: &Value) -> Result<Option<Handle>, BuildError> {
        self.input(op);
        let [topic] = texts(op, "topic")[..] else {
            return Err(BuildError::unsupported("streams of several topics"));
        };
        let values = match text(op, "value_serde") {
            Some(name) => nullable::<Datum>(name),
            None => Option::<Datum>::default_serde(),
        };
        let stream = self.builder.stream_with(topic, consumed(op, values)?);
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
}

fn consumed<V>(
    op: &Value,
    values: eddyline_core::serde::SerdeRef<V>,
) -> Result<Consumed<Key, V>, BuildError> {
    if op.get("timestamp_extractor").is_some() {
        return Err(BuildError::unsupported("timestamp extractors"));
    }
    let keys = Key::named_serde(text(op, "key_serde").unwrap_or("string"));
    let consumed = Consumed::with(keys, values);
    Ok(match text(op, "name") {
        Some(name) => consumed.with_name(name),
        None => consumed,
    })
}
