//! Frames out of a stream of bytes.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

/// The largest frame taken from a broker. A fetch answer may exceed `fetch.max.bytes` (50 MB) by
/// one batch, and brokers accept batches up to `message.max.bytes`.
pub const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;

/// A frame that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The length it claims.
    pub length: i32,
    /// The most allowed.
    pub max: usize,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a frame claims {} bytes, the most is {}: not Kafka?",
            self.length, self.max
        )
    }
}

impl std::error::Error for FrameError {}

/// Cuts frames out of chunks that end anywhere. A frame within one chunk is a slice of it; one over
/// several chunks is copied once, and memory grows only with bytes that have come.
#[derive(Debug)]
pub struct FrameDecoder {
    max: usize,
    chunks: VecDeque<Bytes>,
    buffered: usize,
}

impl FrameDecoder {
    /// A decoder of frames up to `max` bytes.
    pub const fn new(max: usize) -> Self {
        Self {
            max,
            chunks: VecDeque::new(),
            buffered: 0,
        }
    }

    /// More bytes from the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.buffered += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// The next whole frame, without its length.
    ///
    /// # Errors
    /// When the length is negative or above the cap: the stream is useless from here on.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(prefix) = self.peek_length() else {
            return Ok(None);
        };
        let length = usize::try_from(prefix)
            .ok()
            .filter(|length| *length <= self.max);
        let length = length.ok_or(FrameError {
            length: prefix,
            max: self.max,
        })?;
        if self.buffered < 4 + length {
            return Ok(None);
        }
        self.take(4);
        Ok(Some(self.take(length)))
    }

    fn peek_length(&self) -> Option<i32> {
        let mut bytes = self.chunks.iter().flatten().copied();
        let mut prefix = [0; 4];
        for byte in &mut prefix {
            *byte = bytes.next()?;
        }
        Some(i32::from_be_bytes(prefix))
    }

    /// Removes `count` bytes that are known to be there.
    fn take(&mut self, count: usize) -> Bytes {
        self.buffered -= count;
        if let Some(front) = self.chunks.front_mut()
            && front.len() >= count
        {
            let taken = front.split_to(count);
            if front.is_empty() {
                self.chunks.pop_front();
            }
            return taken;
        }
        let mut whole = BytesMut::with_capacity(count);
        while whole.len() < count {
            let Some(front) = self.chunks.front_mut() else {
                break;
            };
            let part = front.len().min(count - whole.len());
            whole.extend_from_slice(&front[..part]);
            front.advance(part);
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_wherever_the_stream_is_cut() {
        let stream: Vec<u8> = [&[0, 0, 0, 3, 1, 2, 3][..], &[0; 4], &[0, 0, 0, 1, 9]].concat();
        for size in 1..=stream.len() {
            let mut decoder = FrameDecoder::new(16);
            let mut frames = Vec::new();
            for chunk in stream.chunks(size) {
                decoder.push(Bytes::copy_from_slice(chunk));
                while let Some(frame) = decoder.next_frame().expect("good frames") {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [vec![1, 2, 3], vec![], vec![9]], "chunks of {size}");
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for prefix in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4], [0, 0, 0, 17]] {
            let mut decoder = FrameDecoder::new(16);
            decoder.push(Bytes::copy_from_slice(&prefix));
            assert!(decoder.next_frame().is_err());
        }
    }
}
