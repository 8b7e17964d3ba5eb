//! Rows that make room for others (Java: `MemoryNavigableLRUCache`).

use std::cell::Cell;
use std::collections::VecDeque;

use super::StateError;
use super::byte_store::{ByteBounds, ByteKeyValueStore, ByteRows, Direction, WriteBatch};
use super::bytes::StoreBytes;
use super::slab::{Payload, Slab};
use super::slot_queue::{NO_TURN, Queued, SlotQueue};

/// At most so many rows in memory: a further one pushes out the one that was read or written longest
/// ago. Ranges do not count as reads.
#[derive(Debug)]
pub struct LruMap {
    rows: Slab<Row>,
    /// Most recently used last.
    recent: SlotQueue,
    max_entries: usize,
    evicted: VecDeque<StoreBytes>,
}

#[derive(Debug)]
struct Row {
    /// `None` in a free slot.
    value: Option<StoreBytes>,
    turn: Cell<u32>,
}

impl Payload for Row {
    fn is_hidden(&self) -> bool {
        self.value.is_none()
    }

    fn free() -> Self {
        Self {
            value: None,
            turn: Cell::new(NO_TURN),
        }
    }
}

impl Queued for Row {
    fn turn(&self) -> &Cell<u32> {
        &self.turn
    }
}

impl LruMap {
    /// No rows, and room for `max_entries`; without room every row is pushed out at once.
    pub fn new(max_entries: usize) -> Self {
        Self {
            rows: Slab::new(),
            recent: SlotQueue::default(),
            max_entries,
            evicted: VecDeque::new(),
        }
    }

    fn remove(&mut self, slot: u32) {
        self.recent.remove(slot, &self.rows);
        self.rows.remove(slot);
    }
}

impl ByteKeyValueStore for LruMap {
    fn state_id_tag(&self) -> &'static str {
        "in-memory-lru-state-id"
    }

    fn get(&self, key: &[u8]) -> Result<Option<StoreBytes>, StateError> {
        let Some(slot) = self.rows.find(key) else {
            return Ok(None);
        };
        self.recent.push_back(slot, &self.rows);
        Ok(self.rows.slot(slot).payload.value.clone())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        if let Some(slot) = self.rows.find(key) {
            let own = &mut self.rows.slot_mut(slot).value;
            own.get_or_insert(StoreBytes::EMPTY).assign(value);
            self.recent.push_back(slot, &self.rows);
            return Ok(());
        }
        let row = Row {
            value: Some(StoreBytes::new(value)),
            ..Row::free()
        };
        let slot = self.rows.insert(StoreBytes::new(key), row);
        self.recent.push_back(slot, &self.rows);
        while self.rows.len() > self.max_entries
            && let Some(eldest) = self.recent.front(&self.rows)
        {
            self.evicted.push_back(self.rows.slot(eldest).key.clone());
            self.remove(eldest);
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        if let Some(slot) = self.rows.find(key) {
            self.remove(slot);
        }
        Ok(())
    }

    fn write(&mut self, batch: &WriteBatch) -> Result<(), StateError> {
        for (key, value) in batch.writes() {
            match value {
                Some(value) => self.put(key, value)?,
                None => self.delete(key)?,
            }
        }
        Ok(())
    }

    fn range(&self, bounds: ByteBounds<'_>, direction: Direction) -> ByteRows<'_> {
        let slots = self.rows.range(bounds, direction);
        Box::new(slots.filter_map(|slot| {
            let slot = self.rows.slot(slot);
            Some(Ok((slot.key.clone(), slot.payload.value.clone()?)))
        }))
    }

    fn pop_evicted(&mut self) -> Option<StoreBytes> {
        self.evicted.pop_front()
    }

    fn approximate_num_entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn clear(&mut self) -> Result<(), StateError> {
        *self = Self::new(self.max_entries);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pushes_out_what_was_used_longest_ago() -> Result<(), StateError> {
        let mut map = LruMap::new(2);
        map.put(b"a", b"v")?;
        map.put(b"b", b"v")?;
        map.get(b"a")?;
        map.put(b"c", b"v")?;
        assert_eq!(map.pop_evicted().as_deref(), Some(&b"b"[..]));
        map.put(b"a", b"w")?;
        map.delete(b"c")?;
        map.put(b"d", b"v")?;
        assert_eq!(map.pop_evicted(), None);
        map.put(b"e", b"v")?;
        assert_eq!(map.pop_evicted().as_deref(), Some(&b"a"[..]));
        assert_eq!(map.approximate_num_entries(), 2);
        Ok(())
    }

    #[test]
    fn holds_nothing_without_room() -> Result<(), StateError> {
        let mut map = LruMap::new(0);
        map.put(b"a", b"v")?;
        assert_eq!(map.pop_evicted().as_deref(), Some(&b"a"[..]));
        assert_eq!(map.get(b"a")?, None);
        Ok(())
    }

    proptest! {
        /// Against a list in order of use.
        #[test]
        fn any_history_is_that_of_a_list(
            ops in prop::collection::vec((0..4_u8, 0..6_u8), 0..200),
            max_entries in 0..5_usize,
        ) {
            let mut map = LruMap::new(max_entries);
            let mut model: Vec<(u8, u8)> = Vec::new();
            for (number, (op, key)) in ops.into_iter().enumerate() {
                let number = number as u8;
                let known = model.iter().position(|(known, _)| *known == key);
                let known = known.map(|at| model.remove(at));
                match op {
                    0 => map.delete(&[key]).expect("memory does not fail"),
                    1 => {
                        let found = map.get(&[key]).expect("memory does not fail");
                        let expected = known.map(|row| [row.1]);
                        assert_eq!(found.as_deref(), expected.as_ref().map(|value| &value[..]));
                        model.extend(known);
                    }
                    _ => {
                        map.put(&[key], &[number]).expect("memory does not fail");
                        model.push((key, number));
                    }
                }
                while model.len() > max_entries {
                    let evicted = map.pop_evicted();
                    assert_eq!(evicted.as_deref(), Some(&[model.remove(0).0][..]));
                }
                assert_eq!(map.pop_evicted(), None);
                let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
                let rows = map.range(all, Direction::Forward);
                let keys: Vec<u8> = rows.map(|row| row.expect("can be read").0[0]).collect();
                let mut expected: Vec<u8> = model.iter().map(|row| row.0).collect();
                expected.sort_unstable();
                assert_eq!(keys, expected);
            }
        }
    }
}
