//! What Kafka Streams keeps in the metadata of committed offsets (Java: `TopicPartitionMetadata`):
//! base64 of `02`, the partition time in eight bytes, and the processors' own metadata (none yet).

use crate::time::StreamTime;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MAGIC_TIME_ONLY: u8 = 1;
const MAGIC: u8 = 2;

/// The metadata that says `partition_time`.
pub(super) fn encode(partition_time: StreamTime) -> String {
    let mut bytes = vec![MAGIC];
    bytes.extend(partition_time.0.to_be_bytes());
    let mut text = String::with_capacity(12);
    for chunk in bytes.chunks(3) {
        // Nine bytes are three whole groups: there is no padding.
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(group >> shift & 63) as usize]));
        }
    }
    text
}

/// The partition time in `text`; `None` when it is not such metadata.
pub(super) fn decode(text: &str) -> Option<StreamTime> {
    let bytes = text.as_bytes().get(..12)?;
    let mut decoded = Vec::with_capacity(9);
    for chunk in bytes.chunks(4) {
        let mut group = 0_u32;
        for byte in chunk {
            group = group << 6 | ALPHABET.iter().position(|letter| letter == byte)? as u32;
        }
        decoded.extend_from_slice(&group.to_be_bytes()[1..]);
    }
    let (magic, time) = decoded.split_first()?;
    if !matches!(*magic, MAGIC_TIME_ONLY | MAGIC) {
        return None;
    }
    Some(StreamTime(i64::from_be_bytes(*time.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example was committed by Kafka Streams 4.3.1.
    #[test]
    fn metadata_is_javas() {
        let time = decode("AgAAAaII77NX").expect("Java's own");
        assert_eq!(encode(time), "AgAAAaII77NX");
        assert!(time.0 > 1_700_000_000_000, "{time:?}");
        assert_eq!(
            decode(&encode(StreamTime::UNKNOWN)),
            Some(StreamTime::UNKNOWN)
        );
        for wrong in [
            "",
            "AgAAAaII77N",
            "AwAAAaII77NX",
            "A!AAAaII77NX",
            "\u{e4}gAAAaII77N",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
