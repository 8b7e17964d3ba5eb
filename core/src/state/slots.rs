//! Elements in numbered slots.

use std::ops::{Index, IndexMut};

/// Elements by the numbers of their slots, which are used again.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: Chunks<T>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Chunks::new(),
            free: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.chunks.get(slot as usize)
    }

    /// The slot that the next element will have.
    pub(crate) fn next(&self) -> u32 {
        let free = self.free.last().copied();
        free.unwrap_or(self.chunks.len() as u32)
    }

    /// Adds an element and gives its slot.
    pub(crate) fn insert(&mut self, element: T) -> u32 {
        if let Some(free) = self.free.pop() {
            self.chunks[free as usize] = element;
            return free;
        }
        // One below the mark for "no slot".
        assert!(self.chunks.len() < u32::MAX as usize - 1, "store is full");
        self.chunks.push(element);
        self.chunks.len() as u32 - 1
    }

    /// Takes out an element; `free` stands in its place until the slot is used again.
    pub(crate) fn remove(&mut self, slot: u32, free: T) -> T {
        self.free.push(slot);
        std::mem::replace(&mut self[slot], free)
    }

    /// Every slot with what is in it, free ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.chunks.iter())
    }
}

impl<T> Index<u32> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        &self.chunks[slot as usize]
    }
}

impl<T> IndexMut<u32> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        &mut self.chunks[slot as usize]
    }
}

/// Elements in pieces that never move: what grows by doubling has up to half of its memory empty, and
/// holds it twice while it moves.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

/// About 100 kB of the rows of a store.
const CHUNK_LEN: usize = 2048;

impl<T> Chunks<T> {
    const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }

    const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK_LEN)?.get(at % CHUNK_LEN)
    }

    fn push(&mut self, element: T) {
        if self.len.is_multiple_of(CHUNK_LEN) {
            // A small store has one chunk, which grows as it needs.
            let capacity = if self.len == 0 { 0 } else { CHUNK_LEN };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(element);
        }
        self.len += 1;
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK_LEN][at % CHUNK_LEN]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / CHUNK_LEN][at % CHUNK_LEN]
    }
}
