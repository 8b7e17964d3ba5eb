//! Closures that fail: what becomes of the record is for the processing exception handler to say.

use std::num::ParseIntError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eddyline_core::config::StreamsConfig;
use eddyline_core::dsl::{
    Grouped, JoinWindows, KStream, KTable, Materialized, SessionWindows, StreamsBuilder,
    TimeWindows,
};
use eddyline_core::error::{ErrorHandlerContext, HandledError, HandlerResponse};
use eddyline_core::serde::DefaultSerde;

use super::*;

type Texts = KStream<String, String>;

fn number(text: &str) -> Result<i64, ParseIntError> {
    text.parse()
}

/// What comes out of `define` for these texts, which were dropped, and the nodes that failed.
fn run(texts: &[&str], define: impl FnOnce(Texts)) -> (Vec<String>, u64, Vec<String>) {
    let builder = StreamsBuilder::new();
    define(builder.stream("in"));
    run_built(texts, &builder)
}

fn run_built(texts: &[&str], builder: &StreamsBuilder) -> (Vec<String>, u64, Vec<String>) {
    let nodes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&nodes);
    let handler = move |context: &ErrorHandlerContext<'_>, error: HandledError<'_>| {
        assert_eq!(error.message, "invalid digit found in string");
        noted
            .lock()
            .expect("no panic")
            .push(context.node.to_owned());
        HandlerResponse::resume()
    };
    let config = StreamsConfig::new("app", "localhost:9092").expect("a configuration");
    let config = config.with_processing_exception_handler(handler);
    let driver = TopologyTestDriver::new(builder.build().expect("a topology"), config);
    let driver = driver.expect("a driver");
    let input = driver.create_input_topic::<String, String>("in");
    for text in texts {
        let piped = input.pipe_input("k".to_owned(), (*text).to_owned());
        piped.expect("failures are handled");
    }
    let out = driver.create_output_topic::<String, Option<String>>("out");
    let values = out.read_values_to_list().expect("is read");
    let values = values
        .into_iter()
        .map(|value| value.unwrap_or_else(|| "null".to_owned()));
    let nodes = nodes.lock().expect("no panic").clone();
    (values.collect(), driver.dropped_records(), nodes)
}

fn checked(define: impl FnOnce(Texts), expected: &[&str]) {
    let (values, dropped, nodes) = run(&["1", "x", "-2"], define);
    assert_eq!(values, expected);
    assert_eq!((dropped, nodes), (1, vec!["failing".to_owned()]));
}

#[test]
fn stateless_operators_pass_on_what_does_not_fail() {
    let named = |texts: &Texts| texts.named("failing");
    let positive = |_: &String, text: &String| number(text).map(|number| number > 0);
    checked(|texts| named(&texts).filter(positive).to("out"), &["1"]);
    checked(
        |texts| named(&texts).filter_not(positive).to("out"),
        &["-2"],
    );
    checked(
        |texts| {
            let peek = |_: &String, text: &String| number(text).map(drop);
            named(&texts).peek(peek).to("out");
        },
        &["1", "-2"],
    );
    checked(
        |texts| {
            let map = |key: String, text: String| number(&text).map(|n| (key, (n * 2).to_string()));
            named(&texts).map(map).to("out");
        },
        &["2", "-4"],
    );
    checked(
        |texts| {
            let select = |_: &String, text: &String| number(text);
            let moved = named(&texts).try_select_key(select);
            moved
                .map(|key, _| (key.to_string(), key.to_string()))
                .to("out");
        },
        &["1", "-2"],
    );
    checked(
        |texts| {
            let doubled = |text: String| number(&text).map(|n| vec![n.to_string(), text]);
            named(&texts).try_flat_map_values(doubled).to("out");
        },
        &["1", "1", "-2", "-2"],
    );
    checked(
        |texts| {
            let doubled = |key: String, text: String| {
                number(&text).map(|_| [(key.clone(), "a".to_owned()), (key, text)])
            };
            named(&texts).try_flat_map(doubled).to("out");
        },
        &["a", "1", "a", "-2"],
    );
    checked(
        |texts| named(&texts).for_each(|_, text| number(&text).map(drop)),
        &[],
    );
    checked(
        |texts| {
            let mut split = named(&texts).split();
            split.branch(move |key, text| positive(key, text)).to("out");
        },
        &["1"],
    );
}

#[test]
fn an_aggregate_that_fails_stays_as_it_was() {
    let add = |_: &String, text: String, sum: i64| number(&text).map(|number| sum + number);
    let to_text = |sums: KTable<String, i64>| {
        let texts = sums
            .to_stream()
            .map_values(|sum| sum.map(|sum| sum.to_string()));
        texts.to("out");
    };
    checked(
        |texts| {
            let grouped = texts.group_by_key().named("failing");
            to_text(grouped.aggregate(|| 10, add, Materialized::as_store("sums")));
        },
        &["11", "9"],
    );
    let (sums, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let cogrouped = texts.group_by_key().cogroup(add).named("failing");
        to_text(cogrouped.aggregate(|| 10, Materialized::as_store("sums")));
    });
    assert_eq!((sums, dropped), (vec!["11".to_owned(), "9".to_owned()], 1));
    assert_eq!(nodes, ["failing-cogroup-agg-0"]);
}

#[test]
fn windows_and_sessions_that_fail_stay_as_they_were() {
    let add = |_: &String, text: String, sum: i64| number(&text).map(|number| sum + number);
    let minute = Duration::from_secs(60);
    checked(
        |texts| {
            let windows = TimeWindows::of_size_with_no_grace(minute);
            let grouped = texts.group_by_key().named("failing").windowed_by(windows);
            let sums = grouped.aggregate(|| 10, add, Materialized::as_store("sums"));
            let sums = sums.to_stream();
            sums.map(|key, sum| (key.key, sum.map(|sum| sum.to_string())))
                .to("out");
        },
        &["11", "9"],
    );
    checked(
        |texts| {
            let windows = SessionWindows::of_inactivity_gap_with_no_grace(minute);
            let grouped = texts.group_by_key().named("failing").windowed_by(windows);
            let merge = |_: &String, one: i64, other: i64| one + other;
            let sums = grouped.aggregate(|| 0, add, merge, Materialized::as_store("sums"));
            let sums = sums.to_stream();
            sums.map(|key, sum| (key.key, sum.map(|sum| sum.to_string())))
                .to("out");
        },
        &["1", "-1"],
    );
}

/// The texts as rows, and one row that others are joined with.
fn tables(texts: &Texts) -> (KTable<String, String>, KTable<String, String>) {
    let rows = texts.to_table(Materialized::as_store("rows"));
    let one = texts.filter(|_, text| text == "1");
    (rows, one.to_table(Materialized::as_store("one")))
}

fn sum(left: &str, right: &str) -> Result<String, ParseIntError> {
    Ok((number(left)? + number(right)?).to_string())
}

#[test]
fn operators_of_tables_keep_their_rows_where_they_fail() {
    let positive = |_: &String, text: &String| number(text).map(|number| number > 0);
    let doubled = |_: &String, text: String| number(&text).map(|number| (2 * number).to_string());
    // A filter asks of "x" twice: as the row that is, and as the one that "-2" replaces.
    let (values, dropped, nodes) = run(&["1", "x", "-2", "-3"], |texts| {
        let (rows, _) = tables(&texts);
        let kept = rows.named("failing").filter(positive);
        kept.to_stream().to("out");
    });
    assert_eq!(values, ["1"]);
    assert_eq!((dropped, nodes), (2, vec!["failing".to_owned(); 2]));
    checked(
        |texts| {
            let (rows, _) = tables(&texts);
            let store = Materialized::as_store("kept");
            let kept = rows
                .named("failing")
                .filter_not_materialized(positive, store);
            kept.to_stream().to("out");
        },
        &["-2"],
    );
    checked(
        |texts| {
            let (rows, _) = tables(&texts);
            let doubled = rows.named("failing").map_values::<String, _>(doubled);
            doubled.to_stream().to("out");
        },
        &["2", "-4"],
    );
    checked(
        |texts| {
            let (rows, _) = tables(&texts);
            let store = Materialized::as_store("doubled").with_value_serde(String::default_serde());
            let doubled = rows
                .named("failing")
                .map_values_materialized(doubled, store);
            doubled.to_stream().to("out");
        },
        &["2", "-4"],
    );
    let (values, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let (rows, _) = tables(&texts);
        let select = |_: &String, text: &Option<String>| number(text.as_deref().unwrap_or(""));
        let moved = rows.named("failing").to_stream_with_key::<i64, _>(select);
        moved
            .map(|key, _| (key.to_string(), key.to_string()))
            .to("out");
    });
    assert_eq!(values, ["1", "-2"]);
    assert_eq!(
        (dropped, nodes),
        (1, vec!["KSTREAM-KEY-SELECT-0000000005".to_owned()])
    );
}

#[test]
fn groups_of_tables_stay_as_they_were() {
    // A change is first mapped as it is, then as it was: "-2" fails for the "x" before it.
    let (values, dropped, nodes) = run(&["1", "x", "-2", "3"], |texts| {
        let (rows, _) = tables(&texts);
        let grouped = Grouped::with(String::default_serde(), i64::default_serde());
        let select = |_: &String, text: String| number(&text).map(|n| ("all".to_owned(), n));
        let grouped = rows.group_by(select, grouped.with_name("failing"));
        let sums = grouped.reduce(|a, b| a + b, |a, b| a - b, Materialized::as_store("sums"));
        let sums = sums.to_stream();
        sums.map_values(|sum| sum.map(|sum| sum.to_string()))
            .to("out");
    });
    assert_eq!(values, ["1", "6"]);
    assert_eq!((dropped, nodes), (2, vec!["failing".to_owned(); 2]));
}

#[test]
fn joins_of_tables_keep_their_rows_where_they_fail() {
    let or_zero = |right: Option<String>| right.unwrap_or_else(|| "0".to_owned());
    let (values, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let (rows, one) = tables(&texts);
        let sums = rows
            .named("failing")
            .join::<_, String, _>(&one, |left, right| sum(&left, &right));
        sums.to_stream().to("out");
    });
    // The first rows join from both sides.
    assert_eq!(values, ["2", "2", "-1"]);
    assert_eq!((dropped, nodes), (1, vec!["failing-join-this".to_owned()]));
    let (values, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let (rows, one) = tables(&texts);
        let join = move |left: String, right| sum(&left, &or_zero(right));
        let sums = rows.named("failing").left_join_materialized(
            &one,
            join,
            Materialized::as_store("sums").with_value_serde(String::default_serde()),
        );
        sums.to_stream().to("out");
    });
    assert_eq!(values, ["2", "-1"]);
    assert_eq!((dropped, nodes), (1, vec!["failing-join-this".to_owned()]));
    let (values, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let (rows, one) = tables(&texts);
        let join = move |left: Option<String>, right| sum(&or_zero(left), &or_zero(right));
        let joined = one.named("failing").outer_join::<_, String, _>(&rows, join);
        joined.to_stream().to("out");
    });
    assert_eq!(values, ["2", "2", "-1"]);
    assert_eq!((dropped, nodes), (1, vec!["failing-join-other".to_owned()]));
}

#[test]
fn a_row_that_is_read_through_a_mapping_fails_the_join_that_reads_it() {
    let (values, dropped, nodes) = run(&["x", "1"], |texts| {
        let rows = texts.to_table(Materialized::as_store("rows"));
        let numbers = rows
            .named("mapping")
            .map_values::<i64, _>(|_, text| number(&text));
        let joined = texts
            .named("failing")
            .join_table(&numbers, |text, number| format!("{text} is {number}"));
        joined.to("out");
    });
    assert_eq!(values, ["1 is 1"]);
    assert_eq!(
        (dropped, nodes),
        (2, vec!["failing".to_owned(), "mapping".to_owned()])
    );
}

#[test]
fn foreign_keys_and_their_joiners_may_fail() {
    let define = |failing_key: bool| {
        move |texts: Texts| {
            let (rows, one) = tables(&texts);
            let key = move |key: &String, text: &String| match failing_key {
                true => number(text).map(|_| key.clone()),
                false => Ok(key.clone()),
            };
            let sums = rows
                .named("failing")
                .join_on_foreign_key::<_, _, String, _, _>(&one, key, |left, right| {
                    sum(&left, &right)
                });
            sums.to_stream().to("out");
        }
    };
    let (values, dropped, nodes) = run(&["1", "x", "3"], define(false));
    assert_eq!(values, ["2", "4"]);
    let resolver = "failing-subscription-response-resolver".to_owned();
    assert_eq!((dropped, nodes), (1, vec![resolver]));
    let (values, dropped, nodes) = run(&["1", "x"], define(true));
    assert_eq!(values, ["2"]);
    let sender = "failing-subscription-registration-processor".to_owned();
    assert_eq!((dropped, nodes), (1, vec![sender]));
}

#[test]
fn joiners_of_streams_may_fail() {
    checked(
        |texts| {
            let (_, one) = tables(&texts);
            let texts = texts.named("failing");
            let joined = texts.join_table::<_, String, _>(&one, |left, right| sum(&left, &right));
            joined.to("out");
        },
        &["2", "-1"],
    );
    let (values, dropped, nodes) = run(&["1", "x", "-2"], |texts| {
        let twos = texts.map_values(|_| "2".to_owned());
        let windows = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
        let joined = texts.named("failing").join::<_, String, _>(
            &twos,
            |left, right| sum(&left, &right),
            windows,
        );
        joined.to("out");
    });
    // A failure loses what else the record would have joined.
    assert_eq!(values, ["3", "3", "3", "0", "0", "0"]);
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let (this, other) = ("failing-this-join", "failing-other-join");
    assert_eq!((dropped, nodes), (2, vec![this, other]));
}

#[test]
fn the_selector_of_a_global_table_may_fail() {
    let builder = StreamsBuilder::new();
    let names = builder.global_table::<i64, String>("names", Materialized::default());
    let texts = builder.stream::<String, String>("in").named("failing");
    let named = texts.left_join_global_table(
        &names,
        |_, text| number(text),
        |text, name| format!("{text} is {name:?}"),
    );
    named.to("out");
    let (values, dropped, nodes) = run_built(&["1", "x"], &builder);
    assert_eq!(values, ["1 is None"]);
    assert_eq!((dropped, nodes), (1, vec!["failing".to_owned()]));
}
