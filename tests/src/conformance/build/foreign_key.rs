//! Joins of tables by foreign keys.

use eddyline_core::dsl::KTable;
use serde_json::Value;

use super::{Build, BuildError, Cell, Handle, KeyCell, function, given, name};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::functions;
use crate::conformance::stores::{self, StoreKind};

/// A call of `join` or `left_join` with a selector of foreign keys.
pub(super) fn join<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    if let Some(other) = build.with::<KTable<Key, Datum>>(op)? {
        return join_with(table, &other, op, build);
    }
    match build.with::<KTable<Key, i64>>(op)? {
        Some(other) => join_with(table, &other, op, build),
        None => Err(BuildError::unsupported("joining these tables")),
    }
}

fn join_with<K: KeyCell, V: Cell, VO: Cell>(
    table: &KTable<K, V>,
    other: &KTable<Key, VO>,
    op: &Value,
    build: &mut Build,
) -> Result<Option<Handle>, BuildError> {
    let select = function(op, "fk_fn", functions::selector)?;
    // Keys are nullable by themselves: a null one is there, and no key.
    let foreign_key =
        move |key: &K, value: &V| Some(select(key.datum().as_ref(), Some(value.datum())));
    let join = function(op, "fn", functions::joiner)?;
    let join = move |left: V, right: Option<VO>| -> Option<Datum> {
        join(None, Some(left.datum()), right.map(|right| right.datum()))
    };
    let store = stores::materialized(op, &mut build.specs, StoreKind::Timestamped)?;
    let store = store.unwrap_or_default();
    let joined: KTable<K, Datum> = if name(op) == "join" {
        let join = move |left, right| join(left, Some(right));
        table.join_on_foreign_key_materialized(other, foreign_key, join, store)
    } else {
        table.left_join_on_foreign_key_materialized(other, foreign_key, join, store)
    };
    given(joined)
}
