//! The commands of window and session stores.

use eddyline_core::state::{TypedSessionStore, TypedWindowStore};
use eddyline_core::window::{Window, Windowed};
use serde_json::{Value, json};

use super::build::Cell;
use super::datum::Key;
use super::store_commands::{
    Command, Commands, Layout, Refusal, found, of_key, rows, with_no_headers,
};

fn of_windowed(key: &Windowed<Key>) -> Value {
    json!([of_key(&key.key), key.window.start, key.window.end])
}

impl<V: Cell, L: Layout> Commands for TypedWindowStore<Key, V, L> {
    fn command(&mut self, command: &Command<'_>) -> Result<Value, Refusal> {
        let (key, number) = (command.key(2), |at| command.number(at));
        let format = self.bytes().options().format;
        let result = match command.name() {
            ("put", _) => {
                let (value, start) = (command.value::<L, V>(3), number(3 + L::TOKENS));
                self.put(&key, value.as_ref(), start, command.context)?;
                json!("ok")
            }
            ("fetch_at", _) => found::<L, V>(self.fetch_at(&key, number(3))?),
            ("fetch", reverse) => {
                let (from, to) = (number(3), number(4));
                let found = match reverse {
                    false => self.fetch(&key, from, to)?,
                    true => self.backward_fetch(&key, from, to)?,
                };
                rows::<L, V, _>(found, |start| json!(start))?
            }
            ("fetch_range", reverse) => {
                let (keys, from, to) = (command.keys(2), number(4), number(5));
                let found = match reverse {
                    false => self.fetch_range(keys, from, to)?,
                    true => self.backward_fetch_range(keys, from, to)?,
                };
                rows::<L, V, _>(found, of_windowed)?
            }
            ("fetch_all", reverse) => {
                let (from, to) = (number(2), number(3));
                let found = match reverse {
                    false => self.fetch_all(from, to),
                    true => self.backward_fetch_all(from, to),
                };
                rows::<L, V, _>(found, of_windowed)?
            }
            ("all", false) => rows::<L, V, _>(self.all(), of_windowed)?,
            ("all", true) => rows::<L, V, _>(self.backward_all(), of_windowed)?,
            (other, _) => panic!("unknown store command {other}"),
        };
        Ok(match L::FORMAT.holds(format) {
            true => result,
            false => with_no_headers::<L>(result),
        })
    }
}

impl<V: Cell, L: Layout> Commands for TypedSessionStore<Key, V, L> {
    fn command(&mut self, command: &Command<'_>) -> Result<Value, Refusal> {
        let (key, number) = (command.key(2), |at| command.number(at));
        let format = self.bytes().options().format;
        let result = match command.name() {
            ("put", _) => {
                let value = command.value::<L, V>(5);
                self.put(&session(command)?, value.as_ref(), command.context)?;
                json!("ok")
            }
            ("remove", _) => {
                self.remove(&session(command)?, command.context)?;
                json!("ok")
            }
            ("fetch", false) => rows::<L, V, _>(self.fetch(&key)?, of_windowed)?,
            ("fetch", true) => rows::<L, V, _>(self.backward_fetch(&key)?, of_windowed)?,
            ("fetch_range", reverse) => {
                let keys = command.keys(2);
                let found = match reverse {
                    false => self.fetch_range(keys)?,
                    true => self.backward_fetch_range(keys)?,
                };
                rows::<L, V, _>(found, of_windowed)?
            }
            ("find_sessions", reverse) => {
                let (end, start) = (number(3), number(4));
                let found = match reverse {
                    false => self.find_sessions(&key, end, start)?,
                    true => self.backward_find_sessions(&key, end, start)?,
                };
                rows::<L, V, _>(found, of_windowed)?
            }
            ("find_sessions_range", reverse) => {
                let (keys, end, start) = (command.keys(2), number(4), number(5));
                let found = match reverse {
                    false => self.find_sessions_range(keys, end, start)?,
                    true => self.backward_find_sessions_range(keys, end, start)?,
                };
                rows::<L, V, _>(found, of_windowed)?
            }
            ("fetch_session", _) => {
                found::<L, V>(self.fetch_session(&key, number(3), number(4))?)
            }
            (other, _) => panic!("unknown store command {other}"),
        };
        Ok(match L::FORMAT.holds(format) {
            true => result,
            false => with_no_headers::<L>(result),
        })
    }
}

/// The session of `k start end`, which Java checks when it is made.
fn session(command: &Command<'_>) -> Result<Windowed<Key>, Refusal> {
    let (start, end) = (command.number(3), command.number(4));
    if start < 0 || end < start {
        return Err(Refusal::Argument);
    }
    Ok(Windowed::new(command.key(2), Window::new(start, end)))
}
