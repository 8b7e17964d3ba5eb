//! What happened, folded into one number and, for a replay, written down.

use std::fmt::Write as _;
use std::io;

use eddyline_core::time::Instant;

/// The trace of one run. Two runs of one seed have equal hashes; the first line that differs
/// between two replays is where they part.
pub(super) struct Trace<'a> {
    hash: u64,
    events: u64,
    out: Option<&'a mut dyn io::Write>,
    failed: Option<io::Error>,
    line: String,
}

impl<'a> Trace<'a> {
    pub(super) fn new(out: Option<&'a mut dyn io::Write>) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            out,
            failed: None,
            line: String::new(),
        }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Events so far.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// What went wrong in writing.
    pub(super) fn into_result(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    /// One event: when, of what kind, whose, with which bytes.
    pub(super) fn event(&mut self, at: Instant, kind: &'static str, whose: u64, content: &[u8]) {
        self.events += 1;
        self.mix(at.as_nanos());
        self.mix_bytes(kind.as_bytes());
        self.mix(whose);
        self.mix_bytes(content);
        if self.out.is_some() {
            let hash = self.hash;
            self.write(at, kind, |line| {
                let length = content.len();
                write!(line, "{whose:<5} {length:>6} bytes  {hash:016x}")
            });
        }
    }

    /// Something worth reading, of the machine `whose`.
    pub(super) fn note(&mut self, at: Instant, kind: &'static str, whose: u64, text: &str) {
        self.mix(whose);
        self.mix_bytes(text.as_bytes());
        if self.out.is_some() {
            self.write(at, kind, |line| write!(line, "{whose:<5} {text}"));
        }
    }

    /// Something that makes a replay easier to read, and no part of what happened.
    pub(super) fn comment(
        &mut self,
        at: Instant,
        kind: &'static str,
        whose: u64,
        text: impl FnOnce() -> String,
    ) {
        if self.out.is_some() {
            self.write(at, kind, |line| write!(line, "{whose:<5} {}", text()));
        }
    }

    fn write(
        &mut self,
        at: Instant,
        kind: &'static str,
        rest: impl FnOnce(&mut String) -> std::fmt::Result,
    ) {
        let Some(out) = &mut self.out else { return };
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{at}  {kind:<12} ");
        let _ = rest(&mut self.line);
        self.line.push('\n');
        if let Err(error) = out.write_all(self.line.as_bytes()) {
            self.failed = Some(error);
            self.out = None;
        }
    }

    const fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ (mixed >> 29);
    }

    fn mix_bytes(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        self.mix(u64::from_le_bytes(last));
        self.mix(bytes.len() as u64);
    }
}
