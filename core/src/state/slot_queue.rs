//! A queue of slot numbers whose members may go to its end again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::slab::{Payload, Slab};

/// Slots in a queue, each once.
///
/// A slot that goes to the end again gets a further turn, and the one before is skipped when it
/// comes up: writes go to the end of one array and to the slot, where a linked list changes the
/// links of four neighbours that lie anywhere. The number of its turn is with what is in the slot
/// ([`Turns`]), which whoever queues it has at hand: in an array of its own it was a cache miss for
/// each write, an eighth of a count of 100 000 keys. Turns that are over are swept out once they are
/// three quarters of all, so everything takes constant time in the mean. (Where half of all was the
/// bound, sweeping was a sixth of a range of 100 cached rows.) A reader may move what it read: hence
/// the cell.
#[derive(Debug, Default)]
pub(crate) struct SlotQueue(RefCell<Queue>);

/// The turns of the slots of one queue, others are over; [`NO_TURN`] for a slot that is not queued.
pub(crate) trait Turns {
    /// The turn of `slot`.
    fn turn(&self, slot: u32) -> u32;

    /// From now on it is this one.
    fn set_turn(&self, slot: u32, turn: u32);
}

/// What is in a slot that is queued.
pub(crate) trait Queued {
    /// Its turn.
    fn turn(&self) -> &Cell<u32>;
}

impl<T: Payload + Queued> Turns for Slab<T> {
    #[inline]
    fn turn(&self, slot: u32) -> u32 {
        self.slot(slot).payload.turn().get()
    }

    #[inline]
    fn set_turn(&self, slot: u32, turn: u32) {
        self.slot(slot).payload.turn().set(turn);
    }
}

/// Not queued.
pub(crate) const NO_TURN: u32 = u32::MAX;

#[derive(Debug)]
struct Queue {
    slots: VecDeque<u32>,
    /// The number of the first of `slots`.
    first: u32,
    len: usize,
}

/// Where numbers begin: slots may go to the front, too.
const FIRST: u32 = 1 << 20;

/// Turns that are over need no sweeping while there are no more.
const OVER_MIN: usize = 64;

impl Default for Queue {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            first: FIRST,
            len: 0,
        }
    }
}

impl SlotQueue {
    /// The slot at the front.
    #[inline]
    pub(crate) fn front(&self, turns: &impl Turns) -> Option<u32> {
        self.0.borrow_mut().front(turns)
    }

    /// How many slots are queued.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len
    }

    /// Appends the first slots to `out`, at most `count`.
    pub(crate) fn first(&self, count: usize, turns: &impl Turns, out: &mut Vec<u32>) {
        let queue = self.0.borrow();
        let queued = (queue.first..).zip(&queue.slots);
        let queued = queued.filter(|(turn, slot)| turns.turn(**slot) == *turn);
        out.extend(queued.map(|(_, slot)| *slot).take(count));
    }

    /// Puts `slot` at the end, wherever it was.
    #[inline]
    pub(crate) fn push_back(&self, slot: u32, turns: &impl Turns) {
        self.0.borrow_mut().push_back(slot, turns);
    }

    /// Puts `slot` at the front, wherever it was.
    pub(crate) fn push_front(&mut self, slot: u32, turns: &impl Turns) {
        let queue = self.0.get_mut();
        queue.make_room(turns);
        queue.first -= 1;
        queue.slots.push_front(slot);
        queue.take_turn(slot, queue.first, turns);
    }

    /// Takes the slot at the front.
    pub(crate) fn pop_front(&mut self, turns: &impl Turns) -> Option<u32> {
        let slot = self.0.get_mut().front(turns)?;
        self.remove(slot, turns);
        Some(slot)
    }

    /// Takes out `slot`, if it is there; before what is in the slot goes.
    #[inline]
    pub(crate) fn remove(&self, slot: u32, turns: &impl Turns) {
        if turns.turn(slot) != NO_TURN {
            turns.set_turn(slot, NO_TURN);
            self.0.borrow_mut().len -= 1;
        }
    }

    /// Puts `substitute`, which is not queued, in the place of `slot`, which is.
    pub(crate) fn replace(&mut self, slot: u32, substitute: u32, turns: &impl Turns) {
        let queue = self.0.get_mut();
        let turn = turns.turn(slot);
        queue.slots[(turn - queue.first) as usize] = substitute;
        queue.take_turn(substitute, turn, turns);
        self.remove(slot, turns);
    }

    /// True when `slot` comes before `other`, which is queued, or is not queued at all.
    pub(crate) fn is_before(slot: u32, other: u32, turns: &impl Turns) -> bool {
        let turn = turns.turn(slot);
        turn == NO_TURN || turn < turns.turn(other)
    }

    /// Forgets all turns; those of the slots are to be forgotten as well.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Queue {
    #[inline]
    fn take_turn(&mut self, slot: u32, turn: u32, turns: &impl Turns) {
        self.len += usize::from(turns.turn(slot) == NO_TURN);
        turns.set_turn(slot, turn);
    }

    #[inline]
    fn front(&mut self, turns: &impl Turns) -> Option<u32> {
        while let Some(slot) = self.slots.front() {
            if turns.turn(*slot) == self.first {
                return Some(*slot);
            }
            self.slots.pop_front();
            self.first += 1;
        }
        None
    }

    #[inline]
    fn push_back(&mut self, slot: u32, turns: &impl Turns) {
        let last = self.first + self.slots.len() as u32;
        if self.slots.back() == Some(&slot) && turns.turn(slot) == last - 1 {
            return;
        }
        self.make_room(turns);
        let turn = self.first + self.slots.len() as u32;
        self.slots.push_back(slot);
        self.take_turn(slot, turn, turns);
    }

    /// Sweeps where most turns are over, or where the numbers end at either side.
    #[inline]
    fn make_room(&mut self, turns: &impl Turns) {
        let count = self.slots.len();
        let ends = self.first == 0 || self.first >= NO_TURN - 1 - count as u32;
        if count >= 4 * self.len + OVER_MIN || ends {
            self.sweep(turns);
        }
    }

    /// Leaves out the turns that are over, then numbers the others anew: in one go, a new number
    /// could be that of a turn further on which is over.
    ///
    /// No branch depends on what is read: so a processor reads many slots at once, where a guess that
    /// is wrong half of the time would have it wait for each.
    #[cold]
    fn sweep(&mut self, turns: &impl Turns) {
        let slots = self.slots.make_contiguous();
        let mut kept = 0;
        for at in 0..slots.len() {
            let slot = slots[at];
            slots[kept] = slot;
            kept += usize::from(turns.turn(slot) == self.first + at as u32);
        }
        self.slots.truncate(kept);
        for (turn, slot) in (FIRST..).zip(&self.slots) {
            turns.set_turn(*slot, turn);
        }
        self.first = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Turns for Vec<Cell<u32>> {
        fn turn(&self, slot: u32) -> u32 {
            self[slot as usize].get()
        }

        fn set_turn(&self, slot: u32, turn: u32) {
            self[slot as usize].set(turn);
        }
    }

    fn drained(mut queue: SlotQueue, turns: &impl Turns) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop_front(turns)).collect()
    }

    proptest! {
        /// Against a list that is searched. Few slots and many operations: turns are swept out.
        #[test]
        fn any_history_is_that_of_a_list(
            ops in prop::collection::vec((0..16_u8, 0..8_u32), 0..600),
            first in prop::sample::select(vec![0, 1, FIRST - 1, FIRST, NO_TURN - 300]),
        ) {
            let mut queue = SlotQueue::default();
            let turns = vec![Cell::new(NO_TURN); 16];
            queue.0.get_mut().first = first;
            let mut model: Vec<u32> = Vec::new();
            for (op, slot) in ops {
                let known = model.iter().position(|known| *known == slot);
                match op {
                    0 => {
                        queue.remove(slot, &turns);
                        model.retain(|known| *known != slot);
                    }
                    1 => {
                        queue.push_front(slot, &turns);
                        model.retain(|known| *known != slot);
                        model.insert(0, slot);
                    }
                    2 => {
                        let popped = (!model.is_empty()).then(|| model.remove(0));
                        assert_eq!(queue.pop_front(&turns), popped);
                    }
                    3 if known.is_some() && !model.contains(&(slot + 8)) => {
                        queue.replace(slot, slot + 8, &turns);
                        model[known.unwrap_or_default()] = slot + 8;
                    }
                    _ => {
                        queue.push_back(slot, &turns);
                        model.retain(|known| *known != slot);
                        model.push(slot);
                    }
                }
                assert_eq!(queue.front(&turns), model.first().copied());
                assert_eq!(queue.len(), model.len());
                let count = queue.0.borrow().slots.len();
                assert!(count <= 4 * 16 + OVER_MIN + 1, "turns are swept out");
            }
            assert_eq!(drained(queue, &turns), model);
        }
    }
}
