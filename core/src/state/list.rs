//! Doubly linked lists over slot numbers: constant-time moves, no allocation per entry.

use std::cell::Cell;

/// The place of "no slot".
pub(crate) const NIL: u32 = u32::MAX;

/// A list of slots. Links lie apart from the entries: 8 bytes a slot, so that moving one entry
/// touches the cache lines of its neighbours' links and not those of the neighbours themselves.
/// The cells let a reader move what it read to the front.
#[derive(Debug)]
pub(crate) struct List {
    links: Vec<Cell<Link>>,
    front: Cell<u32>,
    back: Cell<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    previous: u32,
    next: u32,
}

impl List {
    pub(crate) const fn new() -> Self {
        Self {
            links: Vec::new(),
            front: Cell::new(NIL),
            back: Cell::new(NIL),
        }
    }

    /// The first slot, or `NIL`.
    #[inline]
    pub(crate) fn front(&self) -> u32 {
        self.front.get()
    }

    /// The last slot, or `NIL`.
    #[inline]
    pub(crate) fn back(&self) -> u32 {
        self.back.get()
    }

    /// The slot after `slot`, or `NIL`.
    #[cfg(test)]
    pub(crate) fn after(&self, slot: u32) -> u32 {
        self.links[slot as usize].get().next
    }

    /// Makes room for `slot`, to be called before it is first linked.
    pub(crate) fn reserve(&mut self, slot: u32) {
        if self.links.len() <= slot as usize {
            let unlinked = Cell::new(Link {
                previous: NIL,
                next: NIL,
            });
            self.links.resize(slot as usize + 1, unlinked);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Links `slot`, which is in no place.
    #[inline]
    pub(crate) fn push_front(&self, slot: u32) {
        let front = self.front.get();
        self.links[slot as usize].set(Link {
            previous: NIL,
            next: front,
        });
        self.set_previous(front, slot);
        self.front.set(slot);
    }

    /// Links `slot`, which is in no place.
    #[inline]
    pub(crate) fn push_back(&self, slot: u32) {
        let back = self.back.get();
        self.links[slot as usize].set(Link {
            previous: back,
            next: NIL,
        });
        self.set_next(back, slot);
        self.back.set(slot);
    }

    /// Takes `slot` out of its place.
    #[inline]
    pub(crate) fn remove(&self, slot: u32) {
        let Link { previous, next } = self.links[slot as usize].get();
        self.set_next(previous, next);
        self.set_previous(next, previous);
    }

    /// Puts `substitute`, which is in no place, in the place of `slot`.
    pub(crate) fn replace(&self, slot: u32, substitute: u32) {
        let link = self.links[slot as usize].get();
        self.links[substitute as usize].set(link);
        self.set_next(link.previous, substitute);
        self.set_previous(link.next, substitute);
    }

    #[inline]
    pub(crate) fn move_to_front(&self, slot: u32) {
        if self.front.get() != slot {
            self.remove(slot);
            self.push_front(slot);
        }
    }

    #[inline]
    pub(crate) fn move_to_back(&self, slot: u32) {
        if self.back.get() != slot {
            self.remove(slot);
            self.push_back(slot);
        }
    }

    /// Sets what comes after `slot`, where `NIL` is the list itself.
    #[inline]
    fn set_next(&self, slot: u32, next: u32) {
        if slot == NIL {
            self.front.set(next);
        } else {
            let cell = &self.links[slot as usize];
            cell.set(Link { next, ..cell.get() });
        }
    }

    #[inline]
    fn set_previous(&self, slot: u32, previous: u32) {
        if slot == NIL {
            self.back.set(previous);
        } else {
            let cell = &self.links[slot as usize];
            cell.set(Link {
                previous,
                ..cell.get()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(list: &List) -> Vec<u32> {
        let mut all = Vec::new();
        let mut slot = list.front();
        while slot != NIL {
            all.push(slot);
            slot = list.after(slot);
        }
        assert_eq!(all.last().copied().unwrap_or(NIL), list.back());
        all
    }

    #[test]
    fn moves_and_removes() {
        let mut list = List::new();
        list.reserve(5);
        for slot in 0..5 {
            list.push_back(slot);
        }
        list.move_to_front(3);
        list.move_to_back(0);
        assert_eq!(slots(&list), [3, 1, 2, 4, 0]);
        list.replace(2, 5);
        list.remove(3);
        list.remove(0);
        assert_eq!(slots(&list), [1, 5, 4]);
        list.move_to_front(1);
        list.move_to_back(4);
        assert_eq!(slots(&list), [1, 5, 4]);
        for slot in [5, 1, 4] {
            list.remove(slot);
        }
        assert_eq!(slots(&list), [0; 0]);
        list.push_front(2);
        assert_eq!(slots(&list), [2]);
    }
}
