//! Tables that are suppressed.

use std::time::Duration;

use eddyline_core::dsl::{BufferConfig, KTable, StrictBufferConfig, Suppressed};
use eddyline_core::topology::TopologyError;
use serde_json::Value;

use super::{BuildError, Cell, Handle, KeyCell, given};
use crate::conformance::text;

pub(super) fn suppress<K: KeyCell, V: Cell>(
    table: &KTable<K, V>,
    op: &Value,
) -> Result<Option<Handle>, BuildError> {
    let (strict, is_strict) = buffer(op);
    let suppressed = if text(op, "until") == Some("window_closes") {
        // Which keys have windows is a matter of types here.
        K::until_window_closes(strict).ok_or_else(|| {
            BuildError::Topology(TopologyError::NotWindowed("the table".to_owned()))
        })?
    } else {
        let limit_ms = op.get("limit_ms").and_then(Value::as_u64);
        let limit = Duration::from_millis(limit_ms.unwrap_or_default());
        if is_strict {
            Suppressed::until_time_limit(limit, strict)
        } else {
            Suppressed::until_time_limit(limit, strict.emit_early_when_full())
        }
    };
    let suppressed = match text(op, "name") {
        Some(name) => suppressed.with_name(name),
        None => suppressed,
    };
    given(table.suppress(suppressed))
}

/// The buffer, and whether it stops when it is full.
fn buffer(op: &Value) -> (StrictBufferConfig, bool) {
    let field = |name| op.get("buffer").and_then(|buffer| buffer.get(name));
    let mut buffer = BufferConfig::unbounded();
    let mut is_bounded = false;
    if let Some(max) = field("max_records").and_then(Value::as_u64) {
        buffer = buffer.with_max_records(max);
        is_bounded = true;
    }
    if let Some(max) = field("max_bytes").and_then(Value::as_u64) {
        buffer = buffer.with_max_bytes(max);
        is_bounded = true;
    }
    if op.get("logging") == Some(&Value::Bool(false)) {
        buffer = buffer.with_logging_disabled();
    }
    let shuts_down = field("when_full").and_then(Value::as_str) == Some("shut_down");
    (buffer, shuts_down || !is_bounded)
}
