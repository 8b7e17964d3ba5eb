//! Benchmarks, side by side with Kafka Streams in one run.

mod java;
mod store;
mod store_java;
mod word_count;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Benchmarks, side by side with Kafka Streams in one run.")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Read and write a key-value store: one thread, get and put in turn.
    Store(store::Arguments),
    /// Count the words of a text through a real broker: needs Java, Maven and Linux.
    WordCount(word_count::Arguments),
    /// The application of `word-count`, which runs it as a process of its own.
    #[command(hide = true)]
    WordCountApp(word_count::AppArguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().bench {
        Bench::Store(arguments) => {
            store::run(&arguments);
            Ok(())
        }
        Bench::WordCount(arguments) => word_count::run(&arguments),
        Bench::WordCountApp(arguments) => word_count::run_app(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eddyline-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
