//! What Kafka Streams keeps in the metadata of committed offsets (Java: `TopicPartitionMetadata`):
//! base64 of `02`, the partition time in eight bytes, and the processors' own metadata.

use crate::processor::ProcessorMetadata;
use crate::time::StreamTime;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING: u8 = b'=';
const MAGIC_TIME_ONLY: u8 = 1;
const MAGIC: u8 = 2;

/// The metadata that says `partition_time` and what processors keep.
pub(super) fn encode(partition_time: StreamTime, processors: &ProcessorMetadata) -> String {
    let mut bytes = vec![MAGIC];
    bytes.extend(partition_time.0.to_be_bytes());
    processors.serialize(&mut bytes);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = ALPHABET[(group >> shift & 63) as usize];
            text.push(char::from(if at <= chunk.len() { letter } else { PADDING }));
        }
    }
    text
}

/// The partition time and the processors' metadata in `text`; `None` when it is not such metadata.
pub(super) fn decode(text: &str) -> Option<(StreamTime, ProcessorMetadata)> {
    let decoded = decode_base64(text.as_bytes())?;
    let (magic, rest) = decoded.split_first()?;
    let (time, rest) = rest.split_first_chunk()?;
    let processors = match *magic {
        MAGIC_TIME_ONLY => ProcessorMetadata::default(),
        MAGIC => ProcessorMetadata::deserialize(rest)?,
        _ => return None,
    };
    Some((StreamTime(i64::from_be_bytes(*time)), processors))
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let (groups, []) = text.as_chunks::<4>() else {
        return None;
    };
    for (at, letters) in groups.iter().enumerate() {
        let used = letters.iter().take_while(|&&letter| letter != PADDING);
        let used = used.count();
        // Padding ends the text, and leaves at least a byte of its group.
        if used < 2 || (used < 4 && at + 1 < groups.len()) {
            return None;
        }
        let mut group = 0_u32;
        for letter in &letters[..used] {
            group = group << 6 | ALPHABET.iter().position(|known| known == letter)? as u32;
        }
        if letters[used..].iter().any(|&letter| letter != PADDING) {
            return None;
        }
        let bytes = (group << (6 * (4 - used))).to_be_bytes();
        decoded.extend_from_slice(&bytes[1..used]);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example was committed by Kafka Streams 4.3.1.
    #[test]
    fn metadata_is_javas() {
        let (time, processors) = decode("AgAAAaII77NX").expect("Java's own");
        assert_eq!(processors, ProcessorMetadata::default());
        assert_eq!(encode(time, &processors), "AgAAAaII77NX");
        assert!(time.0 > 1_700_000_000_000, "{time:?}");
        let unknown = encode(StreamTime::UNKNOWN, &processors);
        assert_eq!(decode(&unknown), Some((StreamTime::UNKNOWN, processors)));
        for wrong in [
            "",
            "AgAAAaII77N",
            "AwAAAaII77NX",
            "A!AAAaII77NX",
            "\u{e4}gAAAaII77N",
            "AgAAAaII77NXAAAB",
            "AgAA====",
            "AgA=AaII77NX",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn processors_metadata_is_kept() {
        let mut processors = ProcessorMetadata::default();
        // Lengths of names with every padding there is.
        for name in ["s", "st", "sto"] {
            processors.put(&name.into(), 42);
            let text = encode(StreamTime(5), &processors);
            assert_eq!(text.len() % 4, 0);
            assert_eq!(decode(&text), Some((StreamTime(5), processors.clone())));
            // A reader of time alone finds it where it was.
            assert!(decode(&text[..12]).is_some_and(|(time, _)| time.0 == 5));
        }
    }
}
