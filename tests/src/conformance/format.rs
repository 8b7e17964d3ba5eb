//! What every scenario has, checked before it runs.

use serde_json::Value;

const EVENTS: [&str; 5] = [
    "record",
    "advance_wall_clock_ms",
    "commit",
    "restart",
    "query",
];

/// Says what is missing or malformed.
pub(super) fn check(scenario: &Value) -> Result<(), String> {
    let has = |field: &str, is: fn(&Value) -> bool| scenario.get(field).is_some_and(is);
    if !has("config", Value::is_object) {
        return Err("there is no `config`, an object".to_owned());
    }
    for field in ["topology", "events"] {
        if !has(field, Value::is_array) {
            return Err(format!("there is no `{field}`, a list"));
        }
    }
    let expected = &scenario["expect"];
    if !expected["error"].is_string() && !expected["steps"].is_array() {
        let what = "there is no `expect` with `error` or `steps`: have the oracle fill it in";
        return Err(what.to_owned());
    }
    let events = scenario["events"].as_array().into_iter().flatten();
    let mut named = events.enumerate();
    match named.find(|(_, event)| !is_event(event)) {
        Some((at, event)) => Err(format!("event {at} {event} is none of {EVENTS:?}")),
        None => Ok(()),
    }
}

fn is_event(event: &Value) -> bool {
    let query = event.get("query").and_then(Value::as_str);
    EVENTS.iter().any(|kind| event.get(kind).is_some())
        && query.is_none_or(|command| command.split_whitespace().count() >= 2)
}
