//! A queue of slot numbers whose members may go to its end again.

use std::cell::RefCell;
use std::collections::VecDeque;

/// Slots in a queue, each once.
///
/// A slot that goes to the end again gets a further turn, and the one before is skipped when it
/// comes up: writes go to the end of one array and to one of 4 bytes a slot, where a linked list
/// changes the links of four neighbours that lie anywhere. Turns that are over are swept out once
/// they are half of all, so everything takes constant time in the mean. A reader may move what it
/// read: hence the cell.
#[derive(Debug, Default)]
pub(crate) struct SlotQueue(RefCell<Turns>);

#[derive(Debug)]
struct Turns {
    slots: VecDeque<u32>,
    /// The number of the first of `slots`.
    first: u32,
    /// The number of the turn of each slot, others are over; `NONE` for a slot that is not queued.
    turn_of: Vec<u32>,
    len: usize,
}

const NONE: u32 = u32::MAX;

/// Where numbers begin: slots may go to the front, too.
const FIRST: u32 = 1 << 20;

/// Turns that are over need no sweeping while there are no more.
const OVER_MIN: usize = 64;

impl Default for Turns {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            first: FIRST,
            turn_of: Vec::new(),
            len: 0,
        }
    }
}

impl SlotQueue {
    /// The slot at the front.
    #[inline]
    pub(crate) fn front(&self) -> Option<u32> {
        self.0.borrow_mut().front()
    }

    /// How many slots are queued.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len
    }

    /// Appends the first slots to `out`, at most `count`.
    pub(crate) fn first(&self, count: usize, out: &mut Vec<u32>) {
        let turns = self.0.borrow();
        let queued = (turns.first..).zip(&turns.slots);
        let queued = queued.filter(|(turn, slot)| turns.turn(**slot) == *turn);
        out.extend(queued.map(|(_, slot)| *slot).take(count));
    }

    /// Puts `slot` at the end, wherever it was.
    #[inline]
    pub(crate) fn push_back(&self, slot: u32) {
        self.0.borrow_mut().push_back(slot);
    }

    /// Puts `slot` at the front, wherever it was.
    pub(crate) fn push_front(&mut self, slot: u32) {
        let turns = self.0.get_mut();
        turns.make_room();
        turns.first -= 1;
        turns.slots.push_front(slot);
        turns.take_turn(slot, turns.first);
    }

    /// Takes the slot at the front.
    pub(crate) fn pop_front(&mut self) -> Option<u32> {
        let slot = self.0.get_mut().front()?;
        self.remove(slot);
        Some(slot)
    }

    /// Takes out `slot`, if it is there.
    #[inline]
    pub(crate) fn remove(&self, slot: u32) {
        let mut turns = self.0.borrow_mut();
        if turns.turn(slot) != NONE {
            turns.turn_of[slot as usize] = NONE;
            turns.len -= 1;
        }
    }

    /// Puts `substitute`, which is not queued, in the place of `slot`, which is.
    pub(crate) fn replace(&mut self, slot: u32, substitute: u32) {
        let turns = self.0.get_mut();
        let turn = turns.turn(slot);
        turns.slots[(turn - turns.first) as usize] = substitute;
        turns.take_turn(substitute, turn);
        self.remove(slot);
    }

    /// True when `slot` comes before `other`, which is queued, or is not queued at all.
    pub(crate) fn is_before(&self, slot: u32, other: u32) -> bool {
        let turns = self.0.borrow();
        let turn = turns.turn(slot);
        turn == NONE || turn < turns.turn(other)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Turns {
    #[inline]
    fn turn(&self, slot: u32) -> u32 {
        self.turn_of.get(slot as usize).copied().unwrap_or(NONE)
    }

    #[inline]
    fn take_turn(&mut self, slot: u32, turn: u32) {
        if self.turn_of.len() <= slot as usize {
            self.turn_of.resize(slot as usize + 1, NONE);
        }
        let own = &mut self.turn_of[slot as usize];
        self.len += usize::from(*own == NONE);
        *own = turn;
    }

    #[inline]
    fn front(&mut self) -> Option<u32> {
        while let Some(slot) = self.slots.front() {
            if self.turn(*slot) == self.first {
                return Some(*slot);
            }
            self.slots.pop_front();
            self.first += 1;
        }
        None
    }

    #[inline]
    fn push_back(&mut self, slot: u32) {
        let turns = self.slots.len();
        if self.slots.back() == Some(&slot) && self.turn(slot) == self.first + turns as u32 - 1 {
            return;
        }
        self.make_room();
        let turn = self.first + self.slots.len() as u32;
        self.slots.push_back(slot);
        self.take_turn(slot, turn);
    }

    /// Sweeps where most turns are over, or where the numbers end at either side.
    #[inline]
    fn make_room(&mut self) {
        let turns = self.slots.len();
        let ends = self.first == 0 || self.first >= NONE - 1 - turns as u32;
        if turns >= 2 * self.len + OVER_MIN || ends {
            self.sweep();
        }
    }

    /// Leaves out the turns that are over, then numbers the others anew: in one go, a new number
    /// could be that of a turn further on which is over.
    #[cold]
    fn sweep(&mut self) {
        let (mut turn, turn_of) = (self.first, &mut self.turn_of);
        self.slots.retain(|slot| {
            turn += 1;
            turn_of[*slot as usize] == turn - 1
        });
        for (turn, slot) in (FIRST..).zip(&self.slots) {
            turn_of[*slot as usize] = turn;
        }
        self.first = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drained(mut queue: SlotQueue) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop_front()).collect()
    }

    proptest! {
        /// Against a list that is searched. Few slots and many operations: turns are swept out.
        #[test]
        fn any_history_is_that_of_a_list(
            ops in prop::collection::vec((0..16_u8, 0..8_u32), 0..600),
            first in prop::sample::select(vec![0, 1, FIRST - 1, FIRST, NONE - 300]),
        ) {
            let mut queue = SlotQueue::default();
            queue.0.get_mut().first = first;
            let mut model: Vec<u32> = Vec::new();
            for (op, slot) in ops {
                let known = model.iter().position(|known| *known == slot);
                match op {
                    0 => {
                        queue.remove(slot);
                        model.retain(|known| *known != slot);
                    }
                    1 => {
                        queue.push_front(slot);
                        model.retain(|known| *known != slot);
                        model.insert(0, slot);
                    }
                    2 => {
                        let popped = (!model.is_empty()).then(|| model.remove(0));
                        assert_eq!(queue.pop_front(), popped);
                    }
                    3 if known.is_some() && !model.contains(&(slot + 8)) => {
                        queue.replace(slot, slot + 8);
                        model[known.unwrap_or_default()] = slot + 8;
                    }
                    _ => {
                        queue.push_back(slot);
                        model.retain(|known| *known != slot);
                        model.push(slot);
                    }
                }
                assert_eq!(queue.front(), model.first().copied());
                assert_eq!(queue.len(), model.len());
                let turns = queue.0.borrow();
                assert!(turns.slots.len() <= 2 * 16 + OVER_MIN + 1, "turns are swept out");
            }
            assert_eq!(drained(queue), model);
        }
    }
}
