//! What the example `windows` makes of two readers.

use std::error::Error;
use std::time::Duration;

use eddyline::config::StreamsConfig;
use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/windows.rs"]
#[allow(dead_code, unreachable_pub)]
mod windows;

const MINUTE_MS: i64 = 60_000;

#[test]
fn views_are_counted_by_window_and_visit() -> Result<(), Box<dyn Error>> {
    let config = StreamsConfig::new("page-views", "unused:9092")?;
    let driver = TopologyTestDriver::new(windows::topology()?, config)?;
    let views = driver.create_input_topic::<String, String>("views");
    let trends = driver.create_output_topic::<String, Option<i64>>("trends");
    let hourly = driver.create_output_topic::<String, Option<i64>>("hourly");
    let visits = driver.create_output_topic::<String, Option<String>>("visits");

    let view = |reader: &str, page: &str, minute: i64| {
        driver.advance_wall_clock_time(Duration::from_secs(60))?;
        views.pipe_input_at(reader.into(), page.into(), minute * MINUTE_MS)
    };
    view("ada", "engines", 1)?;
    view("bob", "engines", 3)?;
    let last = trends.read_key_values_to_map()?;
    assert_eq!(last["engines 0-5"], Some(2));
    assert_eq!(last["engines 3-8"], Some(1));
    assert!(hourly.is_empty(), "the hour is not over");

    view("ada", "looms", 21)?;
    let session = visits.read_key_values_to_map()?;
    assert_eq!(session["ada 1-1"], None, "it is part of a longer one now");
    assert_eq!(session["ada 1-21"].as_deref(), Some("engines, looms"));

    view("ada", "cards", 61)?;
    let counted = hourly.read_key_values_to_list()?;
    let counted_of = |page: &str, count| (format!("{page} 0-60"), Some(count));
    assert_eq!(counted, [counted_of("engines", 2), counted_of("looms", 1)]);
    assert_eq!(
        visits.read_key_value()?,
        ("ada 61-61".to_owned(), Some("cards".to_owned()))
    );

    driver.restart()?;
    view("bob", "cards", 62)?;
    assert!(hourly.is_empty(), "the hour is emitted once");
    Ok(())
}
