//! Promotions of many rows at once.

use std::cell::RefCell;

use super::super::slots::Slots;
use super::key_rows::At;

/// A reader went over the rows of a key from one place to another, and what it passed was used at
/// that time, in this order. One turn stands for them all: a reader that had to promote the
/// tombstones of a session one by one would take longer with every record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) key: u32,
    pub(super) from: At,
    pub(super) to: At,
    /// The next one of the same key.
    pub(super) next: Option<u32>,
}

impl Pass {
    pub(super) fn holds(&self, at: At) -> bool {
        self.from <= at && at <= self.to
    }

    /// Leaves what lies between two places to a later pass, where that makes one end shorter.
    pub(super) fn leave(&mut self, from: At, to: At) {
        if from <= self.from && self.from <= to {
            self.from = to.after();
        } else if from <= self.to && self.to <= to {
            self.to = from.before();
        }
    }
}

/// Passes by their numbers.
#[derive(Debug)]
pub(super) struct Passes(RefCell<Slots<Pass>>);

impl Passes {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Slots::new()))
    }

    pub(super) fn add(&self, pass: Pass) -> u32 {
        self.0.borrow_mut().insert(pass)
    }

    pub(super) fn pass(&self, number: u32) -> Pass {
        self.0.borrow()[number]
    }

    pub(super) fn set(&self, number: u32, pass: Pass) {
        self.0.borrow_mut()[number] = pass;
    }

    pub(super) fn remove(&self, number: u32) {
        let mut passes = self.0.borrow_mut();
        let pass = passes[number];
        passes.remove(number, pass);
    }
}
