//! Connections: two pipes each, in which nothing overtakes and anything can get stuck or cut.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use eddyline_core::thread;
use eddyline_core::time::Instant;
use eddyline_core::types::BrokerId;
use eddyline_core::wire::ApiKey;

use super::events::Alarm;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// The node's.
    Broker,
    /// The client machine's.
    Client,
}

/// What travels in a pipe.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// The connection is asked for, or is there.
    Open,
    Bytes(Bytes),
    Close,
}

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Pipe {
    segments: VecDeque<(Instant, Segment)>,
    last: Instant,
    stalled_until: Instant,
    closed: bool,
    pub(super) alarm: Alarm,
}

impl Pipe {
    /// Sends something that arrives at `at`, or behind what was sent before it.
    pub(super) fn send(&mut self, at: Instant, segment: Segment) {
        if self.closed {
            return;
        }
        self.closed = matches!(segment, Segment::Close);
        self.last = self.last.max(at);
        self.segments.push_back((self.last, segment));
    }

    /// When the first segment arrives.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let first = self.segments.front();
        first.map(|(at, _)| (*at).max(self.stalled_until))
    }

    /// The first segment, if it has arrived.
    pub(super) fn take(&mut self, now: Instant) -> Option<Segment> {
        if self.next_at()? > now {
            return None;
        }
        self.segments.pop_front().map(|(_, segment)| segment)
    }

    /// Nothing arrives before `until`.
    pub(super) fn stall(&mut self, until: Instant) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Bytes on their way.
    pub(super) fn bytes_under_way(&self) -> u64 {
        let length = |(_, segment): &(Instant, Segment)| match segment {
            Segment::Bytes(bytes) => bytes.len() as u64,
            _ => 0,
        };
        self.segments.iter().map(length).sum()
    }

    /// Breaks: of what is on its way the first `keep` bytes still arrive, then the end.
    pub(super) fn cut(&mut self, now: Instant, keep: u64) {
        if self.closed && self.segments.is_empty() {
            return;
        }
        let mut left = keep;
        let segments = std::mem::take(&mut self.segments);
        for (at, segment) in segments {
            match segment {
                Segment::Bytes(bytes) if (bytes.len() as u64) <= left => {
                    left -= bytes.len() as u64;
                    self.segments.push_back((at, Segment::Bytes(bytes)));
                }
                Segment::Bytes(bytes) => {
                    let part = bytes.slice(..usize::try_from(left).unwrap_or(0));
                    if !part.is_empty() {
                        self.segments.push_back((at, Segment::Bytes(part)));
                    }
                    break;
                }
                Segment::Close => break,
                other => self.segments.push_back((at, other)),
            }
        }
        self.closed = true;
        self.last = self.segments.back().map_or(now, |(at, _)| (*at).max(now));
        self.segments.push_back((self.last, Segment::Close));
    }

    /// Nobody is there any more to take what arrives.
    pub(super) fn abandon(&mut self) {
        self.segments.clear();
        self.closed = true;
    }
}

/// A connection of a stream thread to a node.
pub(super) struct Connection {
    pub(super) thread: u64,
    pub(super) instance: usize,
    /// The thread's own name for it.
    pub(super) id: thread::ConnectionId,
    pub(super) node: BrokerId,
    /// The client knows that it is there.
    pub(super) is_open: bool,
    pub(super) to_broker: Pipe,
    pub(super) to_client: Pipe,
    /// Requests that the cluster has not answered, by their numbers.
    pub(super) asked: BTreeMap<i32, ApiKey>,
    /// Answers that are on their way.
    pub(super) answers: Vec<ApiKey>,
}

impl Connection {
    pub(super) const fn pipe(&mut self, end: End) -> &mut Pipe {
        match end {
            End::Broker => &mut self.to_broker,
            End::Client => &mut self.to_client,
        }
    }

    /// Nothing will ever travel again.
    pub(super) fn is_over(&self) -> bool {
        let over = |pipe: &Pipe| pipe.closed && pipe.segments.is_empty();
        over(&self.to_broker) && over(&self.to_client)
    }
}
