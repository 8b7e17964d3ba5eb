//! The rows of one key in memory.

use std::collections::{BTreeMap, btree_map};
use std::slice;

use super::super::byte_store::Direction;
use super::super::bytes::StoreBytes;
use super::super::slab::Payload;

/// Where a row stands among those of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) time: i64,
    /// Its last part, or what orders it.
    pub(super) rank: i64,
}

impl At {
    /// Before every row of `time`.
    pub(super) const fn first_of(time: i64) -> Self {
        let rank = i64::MIN;
        Self { time, rank }
    }

    /// From the first row of `from` to the last one of `to`.
    pub(super) const fn times(from: i64, to: i64) -> (Self, Self) {
        (Self::first_of(from), Self::last_of(to))
    }

    /// The place before this one; the first one has none.
    pub(super) fn before(self) -> Option<Self> {
        match self.rank.checked_sub(1) {
            Some(rank) => Some(Self { rank, ..self }),
            None => self.time.checked_sub(1).map(Self::last_of),
        }
    }

    /// The place behind this one; the last one has none.
    pub(super) fn after(self) -> Option<Self> {
        match self.rank.checked_add(1) {
            Some(rank) => Some(Self { rank, ..self }),
            None => self.time.checked_add(1).map(Self::first_of),
        }
    }

    /// Behind every row of `time`.
    pub(super) const fn last_of(time: i64) -> Self {
        let rank = i64::MAX;
        Self { time, rank }
    }
}

/// The rows of one key of a store.
#[derive(Debug)]
pub(super) struct KeyRows {
    pub(super) rows: RowsByTime<StoreBytes>,
    /// The stretch of time behind which the key is looked at next, to see what expired; no later
    /// than that of its first row. A free slot has none.
    pub(super) due: Option<i64>,
}

impl KeyRows {
    /// No rows, to be looked at in a stretch of time.
    pub(super) const fn due_in(stretch: i64) -> Self {
        Self {
            rows: RowsByTime::new(),
            due: Some(stretch),
        }
    }
}

impl Payload for KeyRows {
    fn is_hidden(&self) -> bool {
        self.due.is_none()
    }

    fn free() -> Self {
        Self {
            rows: RowsByTime::new(),
            due: None,
        }
    }
}

/// Rows in order of time.
#[derive(Debug)]
pub(super) struct RowsByTime<V>(Rows<V>);

/// Most keys have a session, or a few windows: they lie together, a row alone inside the slot of
/// its key. A key with many has a tree, so that no row costs more the more there are.
#[derive(Debug)]
enum Rows<V> {
    One((At, V)),
    Few(Vec<(At, V)>),
    Many(BTreeMap<At, V>),
}

/// About a microsecond to move, if all of them are.
const FEW_MAX: usize = 64;

impl<V> RowsByTime<V> {
    /// No rows.
    pub(super) const fn new() -> Self {
        Self(Rows::Few(Vec::new()))
    }

    /// True when there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// The value of the row at a place.
    #[inline]
    pub(super) fn get(&self, at: At) -> Option<&V> {
        match &self.0 {
            Rows::One(row) => (row.0 == at).then_some(&row.1),
            Rows::Few(rows) => {
                let found = rows.binary_search_by_key(&at, |row| row.0);
                found.ok().map(|found| &rows[found].1)
            }
            Rows::Many(rows) => rows.get(&at),
        }
    }

    /// Changes the value of the row at a place, or adds one; true when there was none.
    #[inline]
    pub(super) fn set(
        &mut self,
        at: At,
        change: impl FnOnce(&mut V),
        make: impl FnOnce() -> V,
    ) -> bool {
        let place = match &mut self.0 {
            Rows::One(row) if row.0 == at => {
                change(&mut row.1);
                return false;
            }
            Rows::One(row) => usize::from(row.0 < at),
            Rows::Few(rows) => match rows.binary_search_by_key(&at, |row| row.0) {
                Ok(found) => {
                    change(&mut rows[found].1);
                    return false;
                }
                Err(place) => place,
            },
            Rows::Many(rows) => {
                let entry = rows.entry(at);
                let is_new = matches!(entry, btree_map::Entry::Vacant(_));
                entry.and_modify(change).or_insert_with(make);
                return is_new;
            }
        };
        self.insert(place, at, make());
        true
    }

    /// Adds a row to those that are not in a tree.
    fn insert(&mut self, place: usize, at: At, value: V) {
        let rows = std::mem::replace(&mut self.0, Rows::Few(Vec::new()));
        self.0 = match rows {
            Rows::Few(rows) if rows.is_empty() => Rows::One((at, value)),
            Rows::Few(mut rows) if rows.len() < FEW_MAX => {
                rows.insert(place, (at, value));
                Rows::Few(rows)
            }
            Rows::Few(rows) => {
                let mut rows: BTreeMap<_, _> = rows.into_iter().collect();
                rows.insert(at, value);
                Rows::Many(rows)
            }
            Rows::One(row) => {
                let mut rows = vec![row];
                rows.insert(place, (at, value));
                Rows::Few(rows)
            }
            Rows::Many(mut rows) => {
                rows.insert(at, value);
                Rows::Many(rows)
            }
        };
    }

    /// Removes the row at a place; true when there was one.
    pub(super) fn remove(&mut self, at: At) -> bool {
        match &mut self.0 {
            Rows::One(row) => {
                let is_it = row.0 == at;
                if is_it {
                    self.0 = Rows::Few(Vec::new());
                }
                is_it
            }
            Rows::Few(rows) => {
                let found = rows.binary_search_by_key(&at, |row| row.0);
                found.is_ok_and(|found| {
                    rows.remove(found);
                    true
                })
            }
            Rows::Many(rows) => rows.remove(&at).is_some(),
        }
    }

    /// Removes the rows before `time` and gives where they stood.
    pub(super) fn expire(&mut self, time: i64) -> Vec<At> {
        let end = At::first_of(time);
        match &mut self.0 {
            Rows::One(row) if row.0 < end => {
                let at = row.0;
                self.0 = Rows::Few(Vec::new());
                vec![at]
            }
            Rows::One(_) => Vec::new(),
            Rows::Few(rows) => {
                let expired = rows.partition_point(|row| row.0 < end);
                rows.drain(..expired).map(|row| row.0).collect()
            }
            Rows::Many(rows) => {
                let live = rows.split_off(&end);
                std::mem::replace(rows, live).into_keys().collect()
            }
        }
    }

    /// Where the first row stands.
    pub(super) fn first(&self) -> Option<At> {
        match &self.0 {
            Rows::One(row) => Some(row.0),
            Rows::Few(rows) => rows.first().map(|row| row.0),
            Rows::Many(rows) => rows.keys().next().copied(),
        }
    }

    /// Where the last row stands.
    pub(super) fn last(&self) -> Option<At> {
        match &self.0 {
            Rows::One(row) => Some(row.0),
            Rows::Few(rows) => rows.last().map(|row| row.0),
            Rows::Many(rows) => rows.keys().next_back().copied(),
        }
    }

    /// The rows from one place to another, in order.
    #[inline]
    pub(super) fn range(&self, (from, to): (At, At), direction: Direction) -> KeyRange<'_, V> {
        let rows = match &self.0 {
            Rows::One(row) => within(slice::from_ref(row), from, to),
            Rows::Few(rows) => within(rows, from, to),
            Rows::Many(_) if from > to => RowRange::Slice([].iter()),
            Rows::Many(rows) => RowRange::Tree(rows.range(from..=to)),
        };
        KeyRange { rows, direction }
    }
}

#[inline]
fn within<V>(rows: &[(At, V)], from: At, to: At) -> RowRange<'_, V> {
    let first = rows.partition_point(|row| row.0 < from);
    let count = rows[first..].partition_point(|row| row.0 <= to);
    RowRange::Slice(rows[first..first + count].iter())
}

/// Rows of one key in order of time, one way or the other.
pub(super) struct KeyRange<'a, V> {
    rows: RowRange<'a, V>,
    direction: Direction,
}

enum RowRange<'a, V> {
    Slice(slice::Iter<'a, (At, V)>),
    Tree(btree_map::Range<'a, At, V>),
}

impl<'a, V> Iterator for KeyRange<'a, V> {
    type Item = (At, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match (&mut self.rows, self.direction) {
            (RowRange::Slice(rows), Direction::Forward) => rows.next().map(|row| (row.0, &row.1)),
            (RowRange::Slice(rows), Direction::Backward) => {
                rows.next_back().map(|row| (row.0, &row.1))
            }
            (RowRange::Tree(rows), Direction::Forward) => {
                rows.next().map(|(at, value)| (*at, value))
            }
            (RowRange::Tree(rows), Direction::Backward) => {
                rows.next_back().map(|(at, value)| (*at, value))
            }
        }
    }
}
