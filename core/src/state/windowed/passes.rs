//! Promotions of many rows at once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::byte_store::Direction;
use super::super::slots::Slots;
use super::key_rows::At;

/// Readers that went over rows of a key from one place to another, by their numbers: what each
/// passed was used at that time, in this order. One turn stands for all of it: a reader that had to
/// promote the tombstones of a session one by one would take longer with every record.
///
/// What a later pass goes over is no longer the earlier one's, which may be left with several
/// pieces; a piece without rows is forgotten, so there are never more of them than rows.
#[derive(Debug)]
pub(super) struct Passes(RefCell<Pieces>);

#[derive(Debug)]
struct Pieces {
    /// By key and where they begin.
    pieces: BTreeMap<(u32, At), Piece>,
    passes: Slots<Pass>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    pass: u32,
    to: At,
}

#[derive(Clone, Copy, Debug)]
struct Pass {
    key: u32,
    /// Its pieces lie between.
    places: (At, At),
    direction: Direction,
    pieces: u32,
}

/// What a pass went over, or a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) key: u32,
    pub(super) places: (At, At),
    pub(super) direction: Direction,
}

impl Passes {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(Pieces {
            pieces: BTreeMap::new(),
            passes: Slots::new(),
        }))
    }

    /// A pass over `stretch`, which holds rows. `has_none` says where no rows are, `over` hears of
    /// passes of which nothing is left.
    pub(super) fn add(
        &self,
        stretch: Stretch,
        has_none: impl Fn(At, At) -> bool,
        mut over: impl FnMut(u32),
    ) -> u32 {
        let (key, (from, to)) = (stretch.key, stretch.places);
        let mut all = self.0.borrow_mut();
        while let Some((begin, piece)) = all.last_within(key, from, to) {
            let rests = [(begin, from.before()), (to.after(), piece.to)];
            all.pieces.remove(&(key, begin));
            let mut left = 0;
            for (from, to) in rests {
                if from <= to && !has_none(from, to) {
                    all.pieces.insert((key, from), Piece { to, ..piece });
                    left += 1;
                }
            }
            if all.lose_piece(piece.pass, left) {
                over(piece.pass);
            }
        }
        let pass = all.passes.insert(Pass {
            key,
            places: stretch.places,
            direction: stretch.direction,
            pieces: 1,
        });
        all.pieces.insert((key, from), Piece { pass, to });
        pass
    }

    /// Whether a row is in a pass.
    pub(super) fn hold(&self, key: u32, at: At) -> bool {
        self.0.borrow().last_within(key, at, at).is_some()
    }

    /// A row has gone. Gives the pass of which nothing is left.
    pub(super) fn leave(&self, key: u32, at: At, has_none: impl Fn(At, At) -> bool) -> Option<u32> {
        let mut all = self.0.borrow_mut();
        let (begin, piece) = all.last_within(key, at, at)?;
        if !has_none(begin, piece.to) {
            return None;
        }
        all.pieces.remove(&(key, begin));
        all.lose_piece(piece.pass, 0).then_some(piece.pass)
    }

    /// The first piece of a pass.
    pub(super) fn first(&self, number: u32) -> Stretch {
        let mut all = self.0.borrow_mut();
        let pass = all.passes[number];
        let (key, direction, (mut from, mut to)) = (pass.key, pass.direction, pass.places);
        let mut pieces = all.pieces.range((key, from)..=(key, to));
        let is_own = |found: &(&(u32, At), &Piece)| found.1.pass == number;
        let found = match direction {
            Direction::Forward => pieces.find(is_own),
            Direction::Backward => pieces.rfind(is_own),
        };
        let (&(_, begin), piece) = found.expect("a pass has pieces");
        let places = (begin, piece.to);
        match direction {
            Direction::Forward => from = begin,
            Direction::Backward => to = piece.to,
        }
        all.passes[number].places = (from, to);
        Stretch {
            key,
            places,
            direction,
        }
    }

    /// What a piece holds before `at`, in the direction of its pass, was used since.
    pub(super) fn begin_at(&self, stretch: Stretch, at: At) {
        let mut all = self.0.borrow_mut();
        let (key, (from, _)) = (stretch.key, stretch.places);
        if let Some(mut piece) = all.pieces.remove(&(key, from)) {
            let from = match stretch.direction {
                Direction::Forward => at,
                Direction::Backward => {
                    piece.to = at;
                    from
                }
            };
            all.pieces.insert((key, from), piece);
        }
    }

    /// Everything that a piece holds was used since. Gives the pass of which nothing is left.
    pub(super) fn forget(&self, stretch: Stretch) -> Option<u32> {
        let mut all = self.0.borrow_mut();
        let piece = all.pieces.remove(&(stretch.key, stretch.places.0))?;
        all.lose_piece(piece.pass, 0).then_some(piece.pass)
    }

    #[cfg(test)]
    pub(super) fn pieces(&self) -> Vec<(u32, (At, At))> {
        let all = self.0.borrow();
        let pieces = all.pieces.iter();
        let pieces = pieces.map(|(&(key, from), piece)| (key, (from, piece.to)));
        pieces.collect()
    }
}

impl Pieces {
    /// The last piece that holds something between two places, and where it begins.
    fn last_within(&self, key: u32, from: At, to: At) -> Option<(At, Piece)> {
        let (&(of, begin), &piece) = self.pieces.range(..=(key, to)).next_back()?;
        (of == key && from <= piece.to).then_some((begin, piece))
    }

    /// A pass has `left` pieces instead of one; true when it has none any more.
    fn lose_piece(&mut self, number: u32, left: u32) -> bool {
        let mut pass = self.passes[number];
        pass.pieces = pass.pieces + left - 1;
        self.passes[number] = pass;
        let is_over = pass.pieces == 0;
        if is_over {
            self.passes.remove(number, pass);
        }
        is_over
    }
}
