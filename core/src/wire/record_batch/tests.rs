//! Batches there and back, and batches that are not what they claim.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::types::Header;

#[derive(Clone, Debug)]
pub(super) struct Written {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

fn payload() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..150))
}

pub(super) fn written() -> impl Strategy<Value = Written> {
    // Few keys, so that they repeat within a record.
    let header = ("[ab]{0,1}", payload()).prop_map(|(key, value)| Header {
        key: key.into(),
        value: value.map(Bytes::from),
    });
    let headers = proptest::collection::vec(header, 0..4);
    let timestamp = prop_oneof![any::<i64>(), 0_i64..2_000_000_000_000];
    (timestamp, payload(), payload(), headers).prop_map(|(timestamp, key, value, headers)| {
        Written {
            timestamp,
            key,
            value,
            headers,
        }
    })
}

pub(super) fn build(records: &[Written]) -> SealedBatch {
    let mut builder = RecordBatchBuilder::new();
    for record in records {
        let headers = Headers::from(record.headers.clone());
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(record.timestamp, key, value, &headers);
    }
    assert_eq!(builder.record_count() as usize, records.len());
    let size = builder.size_bytes();
    let batch = builder.seal();
    assert_eq!(batch.size_bytes(), size);
    batch
}

fn sample() -> Vec<u8> {
    let records = ["one", "two"].map(|text| Written {
        timestamp: 5,
        key: None,
        value: Some(text.into()),
        headers: Vec::new(),
    });
    build(&records).encode(7, 1, 3).to_vec()
}

pub(super) fn with_crc(mut bytes: Vec<u8>) -> Bytes {
    let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
    bytes[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(bytes)
}

/// The one batch of `bytes`, and the first error among its records.
pub(super) fn read(bytes: Bytes) -> Result<Vec<Record>, RecordError> {
    let batches = decode_batches(bytes)?;
    batches.iter().flat_map(RecordBatch::records).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_come_back_as_they_were(
        records in proptest::collection::vec(written(), 1..20),
        base_offset in 0_i64..1 << 40,
        cut in any::<prop::sample::Index>(),
    ) {
        let sealed = build(&records);
        let bytes = sealed.encode(7, 1, 3);
        prop_assert_eq!(bytes.len(), sealed.size_bytes());
        let decoded = decode_batches(bytes.clone()).expect("a good batch");
        let header = *decoded[0].header();
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 1, 3));
        prop_assert_eq!(header.max_timestamp, records.iter().map(|r| r.timestamp).max().expect("one"));

        let stored = assign_offsets(&decoded[0], base_offset, 4);
        // A second batch, cut anywhere, is left out.
        let both: Vec<u8> = stored.iter().chain(&bytes[..cut.index(bytes.len())]).copied().collect();
        let decoded = decode_batches(Bytes::from(both)).expect("one good batch");
        prop_assert_eq!(decoded.len(), 1);
        prop_assert_eq!(decoded[0].header().partition_leader_epoch, 4);
        let read: Vec<Record> = decoded[0].records().map(|r| r.expect("a good record")).collect();
        prop_assert_eq!(read.len(), records.len());
        for (at, (read, record)) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, base_offset + at as i64);
            prop_assert_eq!(read.timestamp, record.timestamp);
            prop_assert_eq!(read.key.as_deref(), record.key.as_deref());
            prop_assert_eq!(read.value.as_deref(), record.value.as_deref());
            prop_assert_eq!(read.headers.as_slice(), &record.headers[..]);
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_changes_only_what_the_crc_leaves_out(
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        match decode_batches(Bytes::from(bytes)) {
            Err(_) => {}
            // Base offset, leader epoch; a longer length makes it a batch cut short.
            Ok(batches) => prop_assert!(at < 8 || (12..16).contains(&at) || batches.is_empty()),
        }
    }

    #[test]
    fn changed_batches_with_a_right_crc_never_panic(
        changes in proptest::collection::vec((CRC_FROM..90, any::<u8>()), 1..6),
    ) {
        let mut bytes = sample();
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        drop(read(with_crc(bytes)));
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    // By hand from the format in KIP-98: one record, value "v", at timestamp 1.
    let mut builder = RecordBatchBuilder::new();
    builder.append(1, None, Some(b"v"), &Headers::new());
    let bytes = builder.seal().encode(-1, -1, -1);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "0000000000000000", // base offset
        "00000039",         // length
        "ffffffff",         // leader epoch
        "02",
        "CRC32C__",
        "0000",             // attributes
        "00000000",         // last offset delta
        "0000000000000001", // base timestamp
        "0000000000000001", // maximum timestamp
        "ffffffffffffffff", // producer id
        "ffff",             // producer epoch
        "ffffffff",         // base sequence
        "00000001",         // count
        "0e00000001027600"  // length 7, attributes, deltas, null key, "v", no headers
    );
    assert_eq!(hex[..34], expected[..34]);
    assert_eq!(hex[42..], expected[42..]);
}

#[test]
fn log_append_time_stamps_every_record() {
    let mut bytes = sample();
    bytes[22] |= 8;
    bytes[35..43].copy_from_slice(&99_i64.to_be_bytes());
    let records = read(with_crc(bytes)).expect("good records");
    assert_eq!(
        records.iter().map(|r| r.timestamp).collect::<Vec<_>>(),
        [99, 99]
    );
}

#[test]
fn control_and_transactional_batches_say_so() {
    let mut bytes = sample();
    bytes[22] |= 0x30;
    let batches = decode_batches(with_crc(bytes)).expect("a good batch");
    assert!(batches[0].header().is_control && batches[0].header().is_transactional);
}

#[test]
fn old_batches_and_unknown_codecs_are_refused() {
    for codec in 5..8 {
        let mut bytes = sample();
        bytes[22] |= codec;
        let refused = Err(RecordError::Malformed("an unknown compression"));
        assert_eq!(read(with_crc(bytes)), refused);
    }
    let mut bytes = sample();
    bytes[16] = 1;
    assert_eq!(read(Bytes::from(bytes)), Err(RecordError::OldMagic(1)));
}

#[test]
fn a_wrong_checksum_names_the_batch() {
    let mut bytes = sample();
    bytes[7] = 42;
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    assert_eq!(
        read(Bytes::from(bytes)),
        Err(RecordError::Corrupt { base_offset: 42 })
    );
}

#[test]
fn counts_and_lengths_must_fit() {
    let malformed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sample();
        change(&mut bytes);
        let result = read(with_crc(bytes));
        assert!(
            matches!(result, Err(RecordError::Malformed(_))),
            "{result:?}"
        );
    };
    let count =
        |count: i32| move |bytes: &mut Vec<u8>| bytes[57..61].copy_from_slice(&count.to_be_bytes());
    malformed(&count(-1));
    malformed(&count(3));
    // Bytes after the last record.
    malformed(&count(1));
    malformed(&count(i32::MAX));
    // The last offset before the second record's, and before the first.
    malformed(&|bytes| bytes[26] = 0);
    malformed(&|bytes| bytes[23] = 0xff);
    // Record length: negative, too short, beyond the batch.
    malformed(&|bytes| bytes[61] = 1);
    malformed(&|bytes| bytes[61] = 2);
    malformed(&|bytes| bytes[61] = 0x7e);
    // Key length below -1, value length beyond the record, a negative header count, one header.
    malformed(&|bytes| bytes[65] = 3);
    malformed(&|bytes| bytes[66] = 0x7e);
    malformed(&|bytes| bytes[70] = 1);
    malformed(&|bytes| bytes[70] = 2);
    // Offsets beyond the end of the log.
    malformed(&|bytes| bytes[..8].copy_from_slice(&i64::MAX.to_be_bytes()));
}
