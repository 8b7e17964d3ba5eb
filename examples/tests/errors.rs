//! What the example `errors` does with payments that are not sound.

use std::error::Error;

use eddyline_sim::TopologyTestDriver;

#[path = "../src/bin/errors.rs"]
#[allow(dead_code, unreachable_pub)]
mod errors;

#[test]
fn what_is_not_sound_goes_to_the_dead_letters() -> Result<(), Box<dyn Error>> {
    let config = errors::config("unused:9092")?;
    let driver = TopologyTestDriver::new(errors::topology()?, config)?;
    let payments = driver.create_input_topic::<Option<String>, String>("payments");
    let cents = driver.create_output_topic::<String, i64>("cents");
    let letters = driver.create_output_topic::<Option<String>, String>("dead-letters");

    let bad = [
        "{",
        r#"{"customer": "bob", "cents": "ten"}"#,
        r#"{"customer": "", "cents": "10"}"#,
    ];
    let sound = r#"{"customer": "ada", "cents": "450"}"#;
    payments.pipe_value_list(bad.into_iter().chain([sound]).map(str::to_owned))?;

    assert_eq!(cents.read_key_values_to_list()?, [("ada".to_owned(), 450)]);
    let letters = letters.read_records_to_list()?;
    let values: Vec<&str> = letters.iter().map(|letter| letter.value.as_str()).collect();
    assert_eq!(values, bad);
    let offsets = letters.iter().map(|letter| {
        let offset = letter.headers.last("__streams.errors.offset");
        offset
            .and_then(|offset| offset.value.clone())
            .unwrap_or_default()
    });
    assert_eq!(offsets.collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(driver.dropped_records(), 3);
    Ok(())
}
