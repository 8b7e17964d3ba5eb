//! Compressed batches: Java's, ours, and those made to do harm.

use bytes::Bytes;
use proptest::prelude::*;

use super::compression::expanded_max;
use super::tests::{build, read, with_crc, written};
use super::*;

fn codecs() -> impl Iterator<Item = Compression> {
    let all = Compression::ALL.into_iter();
    all.filter(|codec| *codec != Compression::None && codec.is_available())
}

/// A batch that Kafka 4.3.1 wrote with `vectors/WriteVectors.java`.
fn of_java(codec: Compression) -> Vec<u8> {
    let hex = match codec {
        Compression::Gzip => include_str!("vectors/gzip.hex"),
        Compression::Snappy => include_str!("vectors/snappy.hex"),
        Compression::Lz4 => include_str!("vectors/lz4.hex"),
        Compression::Zstd => include_str!("vectors/zstd.hex"),
        Compression::None => unreachable!("nothing is compressed with it"),
    };
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("two digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// A batch of one record with `body` in the place of its records.
fn with_body(codec: Compression, body: &[u8]) -> Bytes {
    let mut builder = RecordBatchBuilder::new();
    builder.append(1, None, None, &Headers::new());
    let mut bytes = builder.seal().encode(-1, -1, -1)[..HEADER_BYTES].to_vec();
    bytes[22] = codec.id() as u8;
    bytes.extend_from_slice(body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    with_crc(bytes)
}

fn compressed(codec: Compression, records: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(codec.compress(records, &mut out));
    out
}

#[test]
fn what_java_writes_is_read() {
    for codec in codecs() {
        let bytes = Bytes::from(of_java(codec));
        let batches = decode_batches(bytes.clone()).expect("a sound batch");
        assert_eq!(batches[0].header().compression, codec);
        assert_eq!(batches[0].size_bytes(), bytes.len());
        let records = read(bytes).expect("sound records");
        assert_eq!(records.len(), 40);
        for (at, record) in records.iter().enumerate() {
            let number = at as i64;
            assert_eq!(
                (record.offset, record.timestamp),
                (40 + number, 1000 + number)
            );
            let key = (at != 2).then(|| Bytes::from(format!("key-{at}")));
            assert_eq!(record.key, key, "{codec}");
            let text = "of a stream of words that repeat themselves, words that repeat";
            let value = (at != 5).then(|| Bytes::from(format!("value {} {text}", at % 3)));
            assert_eq!(record.value, value, "{codec}");
            assert_eq!(record.headers.as_slice().len(), usize::from(at == 1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn compression_changes_nothing_but_the_size(
        records in proptest::collection::vec(written(), 1..60),
    ) {
        let plain = build(&records);
        let expected = read(plain.encode(7, 1, 3)).expect("sound records");
        for codec in codecs() {
            let sealed = plain.clone().compress(codec);
            prop_assert!(sealed.size_bytes() <= plain.size_bytes());
            let bytes = sealed.encode(7, 1, 3);
            prop_assert_eq!(bytes.len(), sealed.size_bytes());
            prop_assert_eq!(&read(bytes).expect("sound records"), &expected);
            // Also what does not shrink, as other clients send it.
            let body = compressed(codec, &plain.encode(7, 1, 3)[HEADER_BYTES..]);
            let expanded = codec.expand(&Bytes::from(body), 0, 1 << 20).expect("what was written");
            prop_assert_eq!(&expanded[..], &plain.encode(7, 1, 3)[HEADER_BYTES..]);
        }
    }

    #[test]
    fn changed_bytes_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for codec in codecs() {
            let mut body = of_java(codec)[HEADER_BYTES..].to_vec();
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            drop(read(with_body(codec, &body)));
            body.truncate(cut.index(body.len()));
            drop(read(with_body(codec, &body)));
        }
    }
}

#[test]
fn large_batches_of_many_blocks_come_back() {
    // More than a block of any codec, of what does and what does not repeat.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    let mut records: Vec<u8> = noise.take(300_000).collect();
    records.extend(b"words that repeat ".repeat(20_000));
    for codec in codecs() {
        let body = Bytes::from(compressed(codec, &records));
        assert!(body.len() < records.len());
        let expanded = codec.expand(&body, 0, records.len()).expect("in the limit");
        assert!(expanded == records, "{codec}");
        let limit = records.len() - 1;
        let refused = codec.expand(&body, 9, limit);
        let too_large = RecordError::TooLarge {
            base_offset: 9,
            codec,
            limit,
        };
        assert_eq!(refused, Err(too_large));
    }
}

#[test]
fn what_is_cut_short_is_an_error_at_every_byte() {
    for codec in codecs() {
        let whole = of_java(codec)[HEADER_BYTES..].to_vec();
        for cut in 0..whole.len() {
            let read = read(with_body(codec, &whole[..cut]));
            assert!(read.is_err(), "{codec} cut to {cut}: {read:?}");
        }
        let noise = read(with_body(codec, &[0xa5; 40]));
        let undecodable = RecordError::Undecodable {
            base_offset: 0,
            codec,
        };
        assert_eq!(noise, Err(undecodable));
    }
}

#[test]
fn a_bomb_is_stopped_at_its_limit() {
    let zeros = vec![0; (16 << 20) + 1];
    // Snappy cannot expand so far.
    for codec in codecs().filter(|codec| *codec != Compression::Snappy) {
        let bomb = compressed(codec, &zeros);
        let limit = expanded_max(bomb.len());
        assert_eq!(limit, 16 << 20, "{codec}");
        let too_large = RecordError::TooLarge {
            base_offset: 0,
            codec,
            limit,
        };
        assert_eq!(read(with_body(codec, &bomb)), Err(too_large));
    }
    // What looks like one is not written either.
    let mut builder = RecordBatchBuilder::new();
    builder.append(1, None, Some(&zeros), &Headers::new());
    let sealed = builder.seal();
    let size = sealed.size_bytes();
    assert_eq!(sealed.compress(Compression::Gzip).size_bytes(), size);
    assert_eq!(expanded_max(1 << 20), 64 << 20);
    assert_eq!(expanded_max(usize::MAX), 256 << 20);
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_is_read_without_javas_framing_and_its_claims_are_not_believed() {
    let codec = Compression::Snappy;
    let framed = compressed(codec, b"abcabcabcabcabcabc");
    let raw = Bytes::copy_from_slice(&framed[20..]);
    let expanded = codec.expand(&raw, 0, 100).expect("a raw block");
    assert_eq!(&expanded[..], b"abcabcabcabcabcabc");
    // Four gigabytes, claimed by six bytes.
    let claim = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    let refused = codec.expand(&claim, 0, usize::MAX);
    assert!(matches!(refused, Err(RecordError::Undecodable { .. })));
}

#[test]
fn more_records_than_there_is_room_for_are_refused() {
    for codec in codecs() {
        let mut bytes = of_java(codec);
        bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        let refused = read(with_crc(bytes));
        assert!(
            matches!(refused, Err(RecordError::Malformed(_))),
            "{refused:?}"
        );
        let mut bytes = of_java(codec);
        bytes[57..61].copy_from_slice(&39_i32.to_be_bytes());
        let refused = read(with_crc(bytes));
        assert!(
            matches!(refused, Err(RecordError::Malformed(_))),
            "{refused:?}"
        );
    }
}
