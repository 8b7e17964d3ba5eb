//! Errors: what cannot be read or processed goes to a dead letter queue, what a broker refuses is
//! dropped, a broker that is away is waited for, and a thread that fails is replaced.
//!
//! `errors` shows the topology; `errors HOST:PORT` runs it until the standard input ends.

use std::error::Error;
use std::io::Read;
use std::num::ParseIntError;
use std::time::Duration;

use eddyline::config::ConfigError;
use eddyline::error::{ErrorHandlerContext, HandlerResponse, ProductionError, ProductionFailure};
use eddyline::serde::Json;
use eddyline::topology::{Topology, TopologyError};
use eddyline::{KafkaStreams, StreamsBuilder, StreamsConfig, UncaughtExceptionResponse};
use serde::{Deserialize, Serialize};

/// A payment as it comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Who pays.
    pub customer: String,
    /// How much, in cents: digits, if all is well.
    pub cents: String,
}

/// Payments as JSON (`payments`) make cents by customer (`cents`).
pub fn topology() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<Option<String>, Json<Payment>>("payments")
        // The result is known to be a pair, so it may be the `Result` of one.
        .map(|_, Json(payment)| -> Result<(String, i64), ParseIntError> {
            let cents = payment.cents.parse()?;
            Ok((payment.customer, cents))
        })
        // And a bool may be the `Result` of one.
        .filter(|customer, cents| match customer.is_empty() {
            true => Err(NoCustomer),
            false => Ok(*cents != 0),
        })
        .to("cents");
    builder.build()
}

/// A payment of nobody's.
#[derive(Debug)]
struct NoCustomer;

impl std::fmt::Display for NoCustomer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it names no customer")
    }
}

impl Error for NoCustomer {}

/// Who decides about errors.
pub fn config(bootstrap: &str) -> Result<StreamsConfig, ConfigError> {
    let config = StreamsConfig::new("payments", bootstrap)?
        .set("errors.dead.letter.queue.topic.name", "dead-letters")?
        .set(
            "deserialization.exception.handler",
            "LogAndContinueExceptionHandler",
        )?
        .set(
            "processing.exception.handler",
            "LogAndContinueProcessingExceptionHandler",
        )?;
    Ok(config.with_production_exception_handler(unwritten))
}

fn unwritten(context: &ErrorHandlerContext<'_>, error: &ProductionError<'_>) -> HandlerResponse {
    match error.failure {
        ProductionFailure::TimedOut => HandlerResponse::retry(),
        ProductionFailure::Refused { .. } => {
            HandlerResponse::resume().with_dead_letter(context.dead_letter(error.error))
        }
        _ => HandlerResponse::fail(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let topology = topology()?;
    let Some(bootstrap) = std::env::args().nth(1) else {
        print!("{}", topology.describe());
        return Ok(());
    };
    let running = KafkaStreams::new(topology, config(&bootstrap)?)?
        .with_uncaught_exception_handler(|error| {
            eprintln!("a thread failed, another one takes over: {error}");
            UncaughtExceptionResponse::ReplaceThread
        })
        .start()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(running.close(Duration::from_secs(10))?)
}
