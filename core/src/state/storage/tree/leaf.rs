//! The rows of a leaf, as they lie in the file.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::super::super::bytes::StoreBytes;

/// Rows in key order, never changed: whoever writes to a leaf makes another one of it.
///
/// The rows follow one another, each the length of its key (four bytes, as all numbers here, the
/// lowest first), the key and the value. Behind them are the offsets of all rows and of the end of
/// the last, and how many rows there are.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    bytes: Arc<[u8]>,
    len: u32,
    crc: u32,
}

/// A key with its new value; `None` removes it.
pub(super) type Write = (StoreBytes, Option<StoreBytes>);

/// What a number takes.
const NUMBER: usize = 4;

/// What a leaf has beside its rows.
const FRAME: usize = 2 * NUMBER;

/// What a row takes beside its key and its value: an offset and the length of the key.
const ROW: usize = 2 * NUMBER;

impl Leaf {
    /// Takes what was read from a file; `None` where it is not a leaf with rows.
    pub(super) fn read(bytes: Vec<u8>, crc: u32) -> Option<Self> {
        let len = number(&bytes, bytes.len().checked_sub(NUMBER)?);
        let table = len.checked_add(2)?.checked_mul(NUMBER)?;
        let end = bytes.len().checked_sub(table)?;
        let leaf = Self {
            bytes: Arc::from(bytes),
            len: u32::try_from(len).ok()?,
            crc,
        };
        let mut start = 0;
        for at in 0..len {
            let row = leaf.offset(at);
            let next = leaf.offset(at + 1);
            let is_row = row == start && next <= end && row + NUMBER <= next;
            if !is_row || number(&leaf.bytes, row) > next - row - NUMBER {
                return None;
            }
            start = next;
        }
        (len > 0 && start == end).then_some(leaf)
    }

    pub(super) fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Where each row begins, and the one before it ends.
    #[inline]
    fn offsets(&self) -> &[[u8; NUMBER]] {
        let end = self.bytes.len() - NUMBER;
        let table = &self.bytes[end - NUMBER * (self.len() + 1)..end];
        table.as_chunks().0
    }

    /// Where row `at` begins, and the row before it ends.
    #[inline]
    fn offset(&self, at: usize) -> usize {
        u32::from_le_bytes(self.offsets()[at]) as usize
    }

    /// Key and value of row `at`.
    #[inline]
    pub(super) fn row(&self, at: usize) -> (&[u8], &[u8]) {
        let row = &self.bytes[self.offset(at)..self.offset(at + 1)];
        row[NUMBER..].split_at(number(row, 0))
    }

    /// Keys and values of `rows`.
    pub(super) fn rows(
        &self,
        rows: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        let ends = &self.offsets()[rows.start..=rows.end];
        ends.windows(2).map(|ends| {
            let [start, end] = [ends[0], ends[1]].map(|end| u32::from_le_bytes(end) as usize);
            let row = &self.bytes[start..end];
            row[NUMBER..].split_at(number(row, 0))
        })
    }

    #[inline]
    pub(super) fn key(&self, at: usize) -> &[u8] {
        let start = self.offset(at);
        let key = start + NUMBER;
        &self.bytes[key..key + number(&self.bytes, start)]
    }

    /// The first row of `rows` whose key is not below `key`, and whether it is that key.
    #[inline]
    pub(super) fn search(&self, key: &[u8], rows: Range<usize>) -> (usize, bool) {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return (middle, true),
                Ordering::Greater => high = middle,
            }
        }
        (low, false)
    }

    /// As [`search`](Self::search) from row `from` on, for a key that is probably near it.
    pub(super) fn search_from(&self, key: &[u8], from: usize) -> (usize, bool) {
        let (mut low, mut step) = (from, 1);
        while low + step < self.len() && self.key(low + step) < key {
            low += step;
            step *= 2;
        }
        self.search(key, low..(low + step + 1).min(self.len()))
    }

    /// What rows take in a leaf.
    fn size(&self, rows: &Range<usize>) -> usize {
        self.offset(rows.end) - self.offset(rows.start) + NUMBER * rows.len()
    }
}

/// Rows of a leaf that is to be.
pub(super) enum Piece<'a> {
    /// Some of one that was.
    Kept(&'a Leaf, Range<usize>),
    /// A key and its value.
    New(&'a [u8], &'a [u8]),
}

impl Piece<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Kept(leaf, rows) => leaf.size(rows),
            Self::New(key, value) => ROW + key.len() + value.len(),
        }
    }
}

/// Adds `writes`, which are in key order, over the rows of `leaf`.
pub(super) fn merge<'a>(leaf: &'a Leaf, writes: &'a [Write], pieces: &mut Vec<Piece<'a>>) {
    let mut kept = 0;
    for (key, value) in writes {
        let (at, is_there) = leaf.search_from(key, kept);
        if at > kept {
            pieces.push(Piece::Kept(leaf, kept..at));
        }
        pieces.extend(value.as_ref().map(|value| Piece::New(key, value)));
        kept = at + usize::from(is_there);
    }
    if kept < leaf.len() {
        pieces.push(Piece::Kept(leaf, kept..leaf.len()));
    }
}

/// The leaves of `pieces`, all about as large, none much above `max_bytes` but for one large row.
pub(super) fn build(pieces: &[Piece<'_>], max_bytes: usize) -> Vec<Leaf> {
    let total: usize = pieces.iter().map(Piece::size).sum();
    // Rows that come in order leave room for those that come between them.
    let filled = max_bytes / 4 * 3;
    let leaves = if total + FRAME <= max_bytes {
        1
    } else {
        total.div_ceil(filled)
    };
    let mut builder = Builder {
        left: total,
        leaves_left: leaves,
        target: total.div_ceil(leaves),
        rows: Vec::with_capacity(total.div_ceil(leaves) + max_bytes / 4),
        offsets: Vec::new(),
        leaves: Vec::with_capacity(leaves),
    };
    for piece in pieces {
        match piece {
            Piece::Kept(leaf, rows) => builder.keep(leaf, rows.clone()),
            Piece::New(key, value) => builder.add(key, value),
        }
    }
    builder.finish();
    builder.leaves
}

struct Builder {
    /// What is not in a leaf that is done, and for how many leaves it is.
    left: usize,
    leaves_left: usize,
    /// A leaf that takes as much is done.
    target: usize,
    rows: Vec<u8>,
    offsets: Vec<u32>,
    leaves: Vec<Leaf>,
}

impl Builder {
    fn size(&self) -> usize {
        self.rows.len() + NUMBER * self.offsets.len()
    }

    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.offsets.push(self.rows.len() as u32);
        self.rows.extend((key.len() as u32).to_le_bytes());
        self.rows.extend(key);
        self.rows.extend(value);
        self.finish_if_full();
    }

    /// Rows that lie together are copied together.
    fn keep(&mut self, leaf: &Leaf, rows: Range<usize>) {
        let mut from = rows.start;
        while from < rows.end {
            let room = self.target.saturating_sub(self.size());
            let to = if leaf.size(&(from..rows.end)) <= room {
                rows.end
            } else {
                cut(leaf, from..rows.end, room)
            };
            let start = leaf.offset(from);
            let moved = self.rows.len() as u32;
            let offsets = (from..to).map(|at| (leaf.offset(at) - start) as u32 + moved);
            self.offsets.extend(offsets);
            self.rows.extend(&leaf.bytes[start..leaf.offset(to)]);
            self.finish_if_full();
            from = to;
        }
    }

    fn finish_if_full(&mut self) {
        if self.size() >= self.target {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let len = self.offsets.len() as u32;
        if len == 0 {
            return;
        }
        self.left = self.left.saturating_sub(self.size());
        self.leaves_left = self.leaves_left.saturating_sub(1).max(1);
        self.target = self.left.div_ceil(self.leaves_left);
        self.offsets.push(self.rows.len() as u32);
        for offset in self.offsets.drain(..) {
            self.rows.extend(offset.to_le_bytes());
        }
        self.rows.extend(len.to_le_bytes());
        self.leaves.push(Leaf {
            bytes: Arc::from(&self.rows[..]),
            len,
            crc: crc32c::crc32c(&self.rows),
        });
        self.rows.clear();
    }
}

/// The end of the first of `rows` that take `size` or more, at least one.
fn cut(leaf: &Leaf, rows: Range<usize>, size: usize) -> usize {
    let (mut low, mut high) = (rows.start + 1, rows.end);
    while low < high {
        let middle = low.midpoint(high);
        if leaf.size(&(rows.start..middle)) < size {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[inline]
fn number(bytes: &[u8], at: usize) -> usize {
    <[u8; NUMBER]>::try_from(&bytes[at..at + NUMBER]).map_or(0, u32::from_le_bytes) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: Option<&str>) -> Write {
        let bytes = |text: &str| StoreBytes::new(text.as_bytes());
        (bytes(key), value.map(bytes))
    }

    fn leaves(writes: &[Write], max_bytes: usize) -> Vec<Leaf> {
        let new = |(key, value): &'_ Write| {
            let value = value.clone().expect("a value");
            (key.clone(), value)
        };
        let rows: Vec<_> = writes.iter().map(new).collect();
        let pieces: Vec<_> = rows.iter().map(|(k, v)| Piece::New(k, v)).collect();
        build(&pieces, max_bytes)
    }

    fn rows(leaves: &[Leaf]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = leaves.iter().flat_map(|leaf| {
            let reread = Leaf::read(leaf.bytes.to_vec(), leaf.crc).expect("a leaf");
            (0..leaf.len()).map(move |at| {
                let (key, value) = reread.row(at);
                assert_eq!(reread.search(key, 0..reread.len()), (at, true));
                assert_eq!(reread.search_from(key, 0), (at, true));
                (text(key), text(value))
            })
        });
        all.collect()
    }

    #[test]
    fn writes_go_over_what_is_there() {
        let old = leaves(
            &[
                row("b", Some("1")),
                row("d", Some("2")),
                row("f", Some("3")),
            ],
            4096,
        );
        let writes = [
            row("a", Some("4")),
            row("b", None),
            row("c", None),
            row("d", Some("")),
            row("g", Some("5")),
        ];
        let mut pieces = Vec::new();
        merge(&old[0], &writes, &mut pieces);
        let merged = build(&pieces, 4096);
        let expected = [("a", "4"), ("d", ""), ("f", "3"), ("g", "5")];
        assert_eq!(
            rows(&merged),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn leaves_are_cut_evenly() {
        let all: Vec<_> = (0..1000)
            .map(|at| row(&format!("{at:05}"), Some("value")))
            .collect();
        let cut = leaves(&all, 1000);
        assert_eq!(rows(&cut).len(), 1000);
        let largest = cut.iter().map(|leaf| leaf.bytes.len()).max();
        let smallest = cut.iter().map(|leaf| leaf.bytes.len()).min();
        assert!(
            largest <= Some(1000) && smallest >= Some(700),
            "{largest:?} {smallest:?}"
        );
        // And so they are where they are made of one that was.
        let whole = leaves(&all, 1 << 20);
        assert_eq!(whole.len(), 1);
        let again = build(&[Piece::Kept(&whole[0], 0..1000)], 1000);
        assert_eq!(rows(&again), rows(&cut));
    }

    #[test]
    fn bytes_that_are_no_leaf_are_refused() {
        let good = leaves(&[row("b", Some("1")), row("d", Some("2"))], 4096);
        let good = good[0].bytes.to_vec();
        assert!(Leaf::read(good.clone(), 0).is_some());
        for kept in 0..good.len() {
            assert!(Leaf::read(good[..kept].to_vec(), 0).is_none(), "{kept}");
        }
        for at in 0..good.len() {
            for bits in [1, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= bits;
                if let Some(leaf) = Leaf::read(bytes, 0) {
                    (0..leaf.len()).for_each(|at| drop(leaf.row(at).0.to_vec()));
                }
            }
        }
    }
}
