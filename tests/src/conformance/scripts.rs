//! The scripted processors.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eddyline_core::processor::{
    Cancellable, FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord, ProcessingContext,
    Processor, ProcessorContext, ProcessorError, PunctuationType, Record,
};
use eddyline_core::state::{KeyValueStore, StateError};
use eddyline_core::types::Headers;
use serde_json::{Value, json};

use super::build::{BuildError, Cell, KeyCell};
use super::datum::{Datum, Key};
use super::store_commands;
use super::stores::SharedSpecs;
use super::{text, texts};

/// A value on its way.
pub(super) type Cargo = Option<Datum>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Identity,
    StoreOps,
    Punctuate,
    Buffer,
    Headers,
    ClearHeaders,
    Context,
    Stamp,
    FanOut,
}

/// What a script is told; one for all tasks.
#[derive(Clone)]
pub(super) struct Script {
    kind: Kind,
    stores: Vec<String>,
    specs: SharedSpecs,
    schedule: Option<Schedule>,
}

#[derive(Clone, Copy)]
struct Schedule {
    kind: PunctuationType,
    interval: Duration,
    start_ms: Option<i64>,
    cancel_after: i64,
}

impl Script {
    pub(super) fn new(op: &Value, specs: &SharedSpecs) -> Result<Self, BuildError> {
        let kind = match text(op, "script").unwrap_or_default() {
            "identity" => Kind::Identity,
            "store_ops" => Kind::StoreOps,
            "punctuate" => Kind::Punctuate,
            "buffer" => Kind::Buffer,
            "headers" => Kind::Headers,
            "clear_headers" => Kind::ClearHeaders,
            "context" => Kind::Context,
            "stamp" => Kind::Stamp,
            "fan_out" => Kind::FanOut,
            other => return Err(BuildError::unsupported(format!("the script {other}"))),
        };
        let number = |field| op.get(field).and_then(Value::as_i64);
        let schedule = number("interval_ms").map(|interval_ms| Schedule {
            kind: match text(op, "punctuation") {
                Some("wall_clock") => PunctuationType::WallClockTime,
                _ => PunctuationType::StreamTime,
            },
            interval: Duration::from_millis(interval_ms as u64),
            start_ms: number("start_ms"),
            cancel_after: number("cancel_after").unwrap_or(i64::MAX),
        });
        let stores = texts(op, "stores").into_iter().map(str::to_owned).collect();
        Ok(Self {
            kind,
            stores,
            specs: Arc::clone(specs),
            schedule,
        })
    }

    fn start(&self, context: &mut ProcessingContext<'_>) -> Result<(), ProcessorError> {
        let Some(schedule) = &self.schedule else {
            return Ok(());
        };
        match schedule.start_ms {
            Some(start) => context.schedule_from(start, schedule.interval, schedule.kind)?,
            None => context.schedule(schedule.interval, schedule.kind)?,
        };
        Ok(())
    }

    /// Takes a record apart and hands out what is to be forwarded.
    fn run<'a, V: Cell>(
        &self,
        out: &mut impl Output<'a>,
        key: Option<Datum>,
        value: Option<V>,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let value = value.map(|value| value.datum());
        match self.kind {
            Kind::Identity | Kind::Punctuate => out.forward(value, timestamp),
            Kind::Buffer => {
                let store = &self.stores[0];
                out.context()
                    .with_store::<KeyValueStore<Key, Datum>, _>(store, |store, context| {
                        store.put(&key, value.as_ref(), context)
                    })??;
                Ok(())
            }
            Kind::StoreOps => {
                let Some(Datum::Text(commands)) = value else {
                    return Ok(());
                };
                for command in store_commands::commands(&commands) {
                    let specs = self.specs.get().expect("the topology is complete");
                    let result = store_commands::run(out.context(), specs, command)?;
                    out.forward(Some(Datum::Text(result.to_string())), timestamp)?;
                }
                Ok(())
            }
            Kind::Headers => {
                let seen = match out.context().record_metadata() {
                    None => "none".to_owned(),
                    Some(metadata) => match metadata.topic {
                        Some(topic) => topic.to_string(),
                        None => return Err(exception("NullPointerException: a tick has no topic")),
                    },
                };
                let headers = out.context().headers_mut();
                headers.remove("drop");
                headers.push("seen", Some(Bytes::from(seen)));
                out.forward(value, timestamp)
            }
            Kind::ClearHeaders => out.forward_with_headers(value, timestamp, Headers::new()),
            Kind::Context => {
                let context = out.context();
                let (topic, partition, offset) = match context.record_metadata() {
                    Some(m) => (
                        json!(m.topic.map(ToString::to_string)),
                        json!(m.partition),
                        json!(m.offset),
                    ),
                    None => (Value::Null, Value::Null, Value::Null),
                };
                let text = json!([
                    topic,
                    partition,
                    offset,
                    timestamp,
                    context.current_stream_time().0,
                    context.current_system_time().0,
                    context.task_id().to_string(),
                    context.headers().as_slice().len(),
                ]);
                out.forward(Some(Datum::Text(text.to_string())), timestamp)
            }
            Kind::Stamp => match stamp(value.as_ref())? {
                Some((text, stamped)) => out.forward(Some(text), stamped),
                None => out.forward(value, timestamp),
            },
            Kind::FanOut => match &value {
                Some(Datum::Text(text)) if text.contains(':') => {
                    let (child, text) = text.split_once(':').unwrap_or_default();
                    out.forward_to(child, Some(Datum::Text(text.to_owned())), timestamp)
                }
                _ => out.forward(value, timestamp),
            },
        }
    }
}

/// What a script throws in Java; the message begins with the class.
fn exception(message: impl Into<String>) -> ProcessorError {
    ProcessorError::new(message.into())
}

/// `x@5` is `x` at 5.
fn stamp(value: Option<&Datum>) -> Result<Option<(Datum, i64)>, ProcessorError> {
    let Some(Datum::Text(text)) = value else {
        return Ok(None);
    };
    let Some((text, stamp)) = text.rsplit_once('@') else {
        return Ok(None);
    };
    match stamp.parse() {
        Ok(stamp) => Ok(Some((Datum::Text(text.to_owned()), stamp))),
        Err(_) => Err(exception(format!("NumberFormatException: {stamp}"))),
    }
}

/// Where a script forwards, which depends on the kind of processor.
trait Output<'a> {
    fn context(&mut self) -> &mut ProcessingContext<'a>;
    fn forward(&mut self, value: Cargo, timestamp: i64) -> Result<(), ProcessorError>;
    fn forward_to(
        &mut self,
        child: &str,
        value: Cargo,
        timestamp: i64,
    ) -> Result<(), ProcessorError>;
    fn forward_with_headers(
        &mut self,
        value: Cargo,
        timestamp: i64,
        headers: Headers,
    ) -> Result<(), ProcessorError>;
}

/// A script as a processor.
pub(super) struct Scripted {
    pub(super) script: Script,
    ticks: i64,
}

impl Scripted {
    pub(super) const fn new(script: Script) -> Self {
        Self { script, ticks: 0 }
    }

    /// Counts a tick; true when it was the last one wanted.
    fn tick(&mut self) -> bool {
        self.ticks += 1;
        let schedule = self.script.schedule.as_ref();
        schedule.is_some_and(|schedule| self.ticks >= schedule.cancel_after)
    }

    fn punctuated<K: KeyCell>(
        &self,
        context: &mut ProcessorContext<'_, K, Cargo>,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        if self.script.kind != Kind::Buffer {
            let known = context.record_metadata().is_some();
            let text = format!(
                "tick:{timestamp}:{}:{}:{}",
                context.current_stream_time().0,
                context.current_system_time().0,
                if known { "meta" } else { "no_meta" }
            );
            let tick = K::from_datum(Some(Datum::Text("tick".to_owned())));
            let record = Record::new(tick, Some(Datum::Text(text)), timestamp);
            return context.forward_with_headers(record, Headers::new());
        }
        let store = &self.script.stores[0];
        type Buffer = KeyValueStore<Key, Datum>;
        let rows = context.with_store::<Buffer, _>(store, |store, _| {
            store.all()?.collect::<Result<Vec<_>, StateError>>()
        })??;
        for (key, value) in rows {
            let record = Record::new(K::from_datum(key.clone()), Some(value), timestamp);
            context.forward_with_headers(record, Headers::new())?;
            context
                .with_store::<Buffer, _>(store, |store, context| store.delete(&key, context))??;
        }
        Ok(())
    }
}

struct Forward<'c, 'a, K> {
    context: &'c mut ProcessorContext<'a, K, Cargo>,
    key: K,
}

impl<'a, K: KeyCell> Output<'a> for Forward<'_, 'a, K> {
    fn context(&mut self) -> &mut ProcessingContext<'a> {
        self.context
    }
    fn forward(&mut self, value: Cargo, timestamp: i64) -> Result<(), ProcessorError> {
        self.context
            .forward(Record::new(self.key.clone(), value, timestamp))
    }
    fn forward_to(
        &mut self,
        child: &str,
        value: Cargo,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        self.context
            .forward_to(child, Record::new(self.key.clone(), value, timestamp))
    }
    fn forward_with_headers(
        &mut self,
        value: Cargo,
        timestamp: i64,
        headers: Headers,
    ) -> Result<(), ProcessorError> {
        self.context
            .forward_with_headers(Record::new(self.key.clone(), value, timestamp), headers)
    }
}

impl<K: KeyCell, V: Cell> Processor<K, Option<V>, K, Cargo> for Scripted {
    fn init(&mut self, context: &mut ProcessorContext<'_, K, Cargo>) -> Result<(), ProcessorError> {
        self.script.start(context)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Cargo>,
        record: Record<K, Option<V>>,
    ) -> Result<(), ProcessorError> {
        let (key, timestamp) = (record.key.datum(), record.timestamp);
        let mut out = Forward {
            context,
            key: record.key,
        };
        self.script.run(&mut out, key, record.value, timestamp)
    }

    fn punctuate(
        &mut self,
        context: &mut ProcessorContext<'_, K, Cargo>,
        punctuator: Cancellable,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let last = self.tick();
        self.punctuated(context, timestamp)?;
        if last {
            context.cancel(punctuator);
        }
        Ok(())
    }
}

struct ForwardFixed<'c, 'a, K> {
    context: &'c mut FixedKeyProcessorContext<'a, K, Cargo>,
    record: FixedKeyRecord<K, ()>,
}

impl<K: KeyCell> ForwardFixed<'_, '_, K> {
    fn record(&self, value: Cargo, timestamp: i64) -> FixedKeyRecord<K, Cargo> {
        let mut record = self.record.clone().with_value(value);
        record.timestamp = timestamp;
        record
    }
}

impl<'a, K: KeyCell> Output<'a> for ForwardFixed<'_, 'a, K> {
    fn context(&mut self) -> &mut ProcessingContext<'a> {
        self.context
    }
    fn forward(&mut self, value: Cargo, timestamp: i64) -> Result<(), ProcessorError> {
        self.context.forward(self.record(value, timestamp))
    }
    fn forward_to(
        &mut self,
        child: &str,
        value: Cargo,
        timestamp: i64,
    ) -> Result<(), ProcessorError> {
        let record = self.record(value, timestamp);
        self.context.forward_to(child, record)
    }
    fn forward_with_headers(
        &mut self,
        value: Cargo,
        timestamp: i64,
        headers: Headers,
    ) -> Result<(), ProcessorError> {
        let record = self.record(value, timestamp);
        self.context.forward_with_headers(record, headers)
    }
}

impl<K: KeyCell, V: Cell> FixedKeyProcessor<K, Option<V>, Cargo> for Scripted {
    fn init(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, K, Cargo>,
    ) -> Result<(), ProcessorError> {
        self.script.start(context)
    }

    fn process(
        &mut self,
        context: &mut FixedKeyProcessorContext<'_, K, Cargo>,
        record: FixedKeyRecord<K, Option<V>>,
    ) -> Result<(), ProcessorError> {
        let value = record.value.clone();
        let record = record.with_value(());
        let (key, timestamp) = (record.key().datum(), record.timestamp);
        let mut out = ForwardFixed { context, record };
        self.script.run(&mut out, key, value, timestamp)
    }
}

/// Fills a global store: `put(key, value)`.
pub(super) struct GlobalUpdate(pub(super) String);

impl Processor<Key, Option<Datum>, (), ()> for GlobalUpdate {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, (), ()>,
        record: Record<Key, Option<Datum>>,
    ) -> Result<(), ProcessorError> {
        context.with_store::<KeyValueStore<Key, Datum>, _>(&self.0, |store, context| {
            store.put(&record.key, record.value.as_ref(), context)
        })??;
        Ok(())
    }
}
