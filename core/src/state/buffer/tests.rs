use ::bytes::Bytes;
use proptest::prelude::*;

use super::super::fuzzing::Disk;
use super::super::{ChangelogRecord, StateError, StateStore};
use super::fuzzing;
use super::value::{BufferValue, Reader};
use super::*;
use crate::serde::DefaultSerde;
use crate::types::{Headers, NO_TIMESTAMP, RecordContext};

type Buffer = TimeOrderedKeyValueChangeBuffer<Option<String>, String>;

fn buffer() -> Buffer {
    let (keys, values) = (Option::<String>::default_serde(), String::default_serde());
    Buffer::new("suppressed", keys, values, true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn context() -> RecordContext {
    let mut headers = Headers::new();
    headers.push("hé", Some(Bytes::from_static(b"v")));
    headers.push("n", None);
    RecordContext {
        topic: Some("töpic".into()),
        partition: 1,
        offset: 7,
        timestamp: 5,
        headers,
        source_record: None,
    }
}

/// Prior, old and new value; the bytes behind the context, and the size that Java estimates.
type JavaValue = ([Option<&'static str>; 3], &'static str, usize);

/// What `BufferValue.serialize` of Kafka Streams 4.3.1 gives in this context.
const JAVA_CONTEXT: &str = "000000000000000500000000000000070000000674c3b67069630000000100000002\
                            0000000368c3a90000000176000000016effffffff";

const JAVA_VALUES: [JavaValue; 6] = [
    (
        [None, None, Some("new")],
        "ffffffffffffffff000000036e6577",
        32,
    ),
    (
        [Some("p"), Some("p"), Some("n")],
        "0000000170fffffffe000000016e",
        31,
    ),
    (
        [Some("p"), None, Some("n")],
        "0000000170ffffffff000000016e",
        31,
    ),
    (
        [Some("p"), Some("old"), None],
        "0000000170000000036f6c64ffffffff",
        33,
    ),
    (
        [Some(""), Some(""), Some("")],
        "00000000fffffffe00000000",
        29,
    ),
    ([None, Some("o"), None], "ffffffff000000016fffffffff", 30),
];

#[test]
fn values_have_the_bytes_and_sizes_of_java() {
    for (sides, bytes, size_bytes) in JAVA_VALUES {
        let [prior, old, new] = sides.map(|side| side.map(|side| side.as_bytes().into()));
        let value = BufferValue {
            prior,
            old,
            new,
            context: context(),
        };
        let mut out = Vec::new();
        value.write(&mut out);
        assert_eq!(hex(&out), format!("{JAVA_CONTEXT}{bytes}"), "{sides:?}");
        assert_eq!(value.size_bytes(), size_bytes, "{sides:?}");
        assert_eq!(Reader::new(&out).value(), Some(value));
    }
}

#[test]
fn a_key_keeps_its_place_and_its_prior_value() {
    let mut buffer = buffer();
    let mut put = |time, key: &str, new: Option<&str>, old: Option<&str>| {
        let key = Some(key.to_owned());
        let (new, old) = (new.map(str::to_owned), old.map(str::to_owned));
        let put = buffer.put(time, &key, new.as_ref(), old.as_ref(), &context());
        put.expect("is buffered");
    };
    put(4, "b", Some("1"), Some("0"));
    put(5, "a", Some("x"), None);
    put(9, "b", None, Some("1"));
    assert_eq!((buffer.num_records(), buffer.min_timestamp()), (2, 4));
    let (a, b, c) = ("a", "b", "c");
    let prior = |key: &str| buffer.prior_value_for_buffered(&Some(key.to_owned()));
    let zero = Some("0".to_owned());
    assert_eq!(
        [prior(a), prior(b), prior(c)],
        [Ok(Some(None)), Ok(Some(zero)), Ok(None)]
    );
    let first = buffer.first().expect("is read").expect("is there");
    assert_eq!(first.key.as_deref(), Some("b"));
    assert_eq!(first.value, (None, Some("1".to_owned())));
    assert_eq!(first.context, context());
    buffer.remove_first();
    buffer.remove_first();
    assert_eq!((buffer.num_records(), buffer.buffer_size()), (0, 0));
    assert_eq!(buffer.min_timestamp(), i64::MAX);
    buffer.remove_first();
}

#[test]
fn a_commit_logs_what_changed_in_the_order_of_javas_hash_set() {
    let mut buffer = buffer();
    let value = "v".to_owned();
    for key in ["b", "a", "ä"] {
        let put = buffer.put(1, &Some(key.to_owned()), Some(&value), None, &context());
        put.expect("is buffered");
    }
    buffer.remove_first();
    let mut log: Vec<ChangelogRecord> = Vec::new();
    buffer.drain_changelog(&mut log);
    assert_eq!(log, [], "nothing before the commit");
    buffer.begin_flush();
    buffer.drain_changelog(&mut log);
    // The hash codes 128, 129 and 30637 of the bytes: buckets 0, 1 and 13.
    let logged: Vec<_> = log.iter().map(|record| &record.key[..]).collect();
    assert_eq!(logged, ["a".as_bytes(), "b".as_bytes(), "ä".as_bytes()]);
    assert_eq!(
        (log[0].value.as_ref(), log[0].headers.is_empty()),
        (None, true)
    );
    let version = log[1]
        .headers
        .last("v")
        .and_then(|header| header.value.clone());
    assert_eq!(version.as_deref(), Some(&[3][..]));
    assert!(log.iter().all(|record| record.timestamp == NO_TIMESTAMP));
    let bytes = log[1].value.as_deref().expect("a value");
    let values = "ffffffffffffffff0000000176";
    assert_eq!(
        hex(bytes),
        format!("{JAVA_CONTEXT}{values}0000000000000001")
    );
    buffer.begin_flush();
    let mut log = Vec::new();
    buffer.drain_changelog(&mut log);
    assert_eq!(log, [], "nothing has changed since");
}

/// One record of each version that Kafka Streams ever wrote, of the same change.
#[test]
fn changelogs_of_all_versions_are_restored() {
    let (time, change) = ("0000000000000009", "00000001310000000132");
    let nested = format!("0000000a{change}");
    let versions = [
        (None, format!("{time}{change}")),
        (Some(1), format!("{time}{JAVA_CONTEXT}{nested}")),
        (Some(2), format!("{JAVA_CONTEXT}{nested}0000000131{time}")),
        // What 2.4.0, 2.4.1 and 2.5.0 wrote.
        (
            Some(2),
            format!("{JAVA_CONTEXT}0000000131fffffffe0000000132{time}"),
        ),
        (
            Some(3),
            format!("{JAVA_CONTEXT}0000000131fffffffe0000000132{time}"),
        ),
    ];
    for (version, value) in versions {
        let mut headers = Headers::new();
        if let Some(version) = version {
            headers.push("v", Some(Bytes::copy_from_slice(&[version])));
        }
        let mut record = ChangelogRecord {
            key: Bytes::from_static(b"k"),
            value: Some(unhex(&value).into()),
            timestamp: 3,
            headers,
        };
        let mut buffer = buffer();
        buffer.restore(record.clone()).expect("a known version");
        assert_eq!(buffer.min_timestamp(), 9);
        let first = buffer.first().expect("is read").expect("is there");
        assert_eq!(first.value, (Some("2".to_owned()), Some("1".to_owned())));
        let timestamp = if version.is_some() { 5 } else { 3 };
        assert_eq!(first.context.timestamp, timestamp);
        let prior = buffer.prior_value_for_buffered(&Some("k".to_owned()));
        assert_eq!(prior, Ok(Some(Some("1".to_owned()))));
        record.value = None;
        buffer.restore(record).expect("a tombstone");
        assert_eq!((buffer.num_records(), buffer.buffer_size()), (0, 0));
    }
}

#[test]
fn foreign_records_are_refused() {
    let mut headers = Headers::new();
    headers.push("v", Some(Bytes::from_static(&[4])));
    let record = ChangelogRecord {
        key: Bytes::from_static(b"k"),
        value: Some(Bytes::from_static(&[0; 64])),
        timestamp: 1,
        headers,
    };
    let refused = buffer().restore(record);
    assert!(matches!(refused, Err(StateError::Corrupt { .. })));
    let refused = buffer().put(1, &None, None, None, &context());
    assert!(matches!(refused, Err(StateError::NullKey { .. })));
}

type Join = TimeOrderedKeyValueBuffer<Option<String>, String>;

fn join(grace_ms: i64) -> Join {
    let (keys, values) = (Option::<String>::default_serde(), String::default_serde());
    let mut join = Join::new("join", keys, values, grace_ms, true);
    join.init(&Disk::default().task_storage())
        .expect("memory does not fail");
    join
}

#[test]
fn joined_records_wait_for_their_grace() {
    let mut join = join(2);
    let put = |join: &mut Join, value: &str, timestamp| {
        let context = RecordContext {
            topic: Some("left".into()),
            partition: 0,
            offset: 0,
            timestamp,
            headers: Headers::new(),
            source_record: None,
        };
        let put = join.put(
            &Some("a".to_owned()),
            &value.to_owned(),
            timestamp,
            &context,
        );
        put.expect("is buffered")
    };
    assert!(put(&mut join, "s", 5));
    assert!(put(&mut join, "t", 5));
    assert_eq!(join.first(), Ok(None));
    assert!(put(&mut join, "u", 7));
    assert!(!put(&mut join, "v", 4), "its grace is over");
    assert!(put(&mut join, "w", 6));
    let mut left = Vec::new();
    while let Some(eviction) = join.first().expect("is read") {
        left.push((eviction.value, eviction.context.timestamp));
        join.remove_first().expect("memory does not fail");
    }
    assert_eq!(left, [("s".to_owned(), 5), ("t".to_owned(), 5)]);
    assert_eq!(join.num_records(), 2);
    let mut log = Vec::new();
    join.drain_changelog(&mut log);
    // As Kafka Streams 4.3.1 wrote it.
    assert_eq!(hex(&log[0].key), "0000000000000000056100000001");
    let value = log[0].value.as_deref().expect("a value");
    assert_eq!(
        hex(value),
        "00000000000000050000000000000000000000046c6566740000000000000000ffffffffffffffff\
         00000001730000000000000000"
    );
    assert_eq!(
        (log[0].timestamp, log[0].headers.is_empty()),
        (NO_TIMESTAMP, true)
    );
    assert_eq!((&log[4].key, &log[4].value), (&log[0].key, &None));
    assert_eq!(log.len(), 6);
}

#[test]
fn lengths_are_not_believed() {
    let huge = unhex(&format!("{JAVA_CONTEXT}7fffffff"));
    assert_eq!(Reader::new(&huge).value(), None);
    let headers = "0000000000000005000000000000000700000000000000017fffffff";
    assert_eq!(Reader::new(&unhex(headers)).context(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn change_buffers_match_the_model(data in proptest::collection::vec(any::<u8>(), 0..800)) {
        fuzzing::change_buffer(&data);
    }

    #[test]
    fn join_buffers_match_the_model(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzzing::join_buffer(&data);
    }

    #[test]
    fn any_changelog_is_read_or_refused(
        version in 0_u8..5,
        with_context in any::<bool>(),
        rest in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..80),
    ) {
        let mut data = vec![version];
        if with_context {
            data.extend(unhex(JAVA_CONTEXT));
        }
        data.extend(rest);
        fuzzing::buffer_changelogs(&data);
    }
}
