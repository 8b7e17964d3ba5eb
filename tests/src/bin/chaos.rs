//! Chaos on Apache Kafka: see `eddyline_tests::chaos`. Needs Java 17 and Maven.
//!
//! `chaos --seed N --minutes M [--instances I] [--nodes B] [--standbys S] [--transactions 1]` prints
//! the schedule of the seed, does what it says, and prints what came of it. It fails where there is a violation.
//! `chaos instance BOOTSTRAP STATE_DIR` is one instance of the application, until its input ends.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use eddyline_tests::chaos::{Chaos, Schedule, application};

const USAGE: &str = "usage: chaos --seed N --minutes M [--instances I] [--nodes B] [--standbys S] \
                     [--transactions VERSION]";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, bootstrap, state_dir] = &arguments[..]
        && mode == "instance"
    {
        return application::run(bootstrap, state_dir);
    }
    let (mut seed, mut minutes, mut instances, mut nodes) = (1, 2.0, 3, 3);
    let (mut standbys, mut transaction_version) = (0, 2);
    for option in arguments.chunks(2) {
        let [name, value] = option else {
            return Err(USAGE.into());
        };
        match name.as_str() {
            "--seed" => seed = value.parse()?,
            "--minutes" => minutes = value.parse()?,
            "--instances" => instances = value.parse()?,
            "--nodes" => nodes = value.parse()?,
            "--standbys" => standbys = value.parse()?,
            "--transactions" => transaction_version = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let chaos = Chaos {
        program: std::env::current_exe()?,
        name: format!("chaos-{seed}"),
        instances,
        nodes,
        standbys,
        transaction_version,
    };
    let duration = Duration::try_from_secs_f64(minutes * 60.0)?;
    let schedule = Schedule::draw(seed, duration, instances, nodes.into());
    print!("{schedule}");
    let report = chaos.run(&schedule);
    println!("{report}");
    Ok(match report.violations.len() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
