//! Promotions of many rows at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

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

/// The list of the pieces of a key; most keys have none.
pub(super) type PiecesOfKey = Cell<Option<u32>>;

#[derive(Debug)]
struct Pieces {
    /// Those of a key in the order of their places: time goes on at their end, and they go at their
    /// beginning.
    lists: Slots<VecDeque<Piece>>,
    passes: Slots<Pass>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    from: At,
    to: At,
    pass: u32,
}

#[derive(Clone, Copy, Debug)]
struct Pass {
    /// Its pieces lie in there.
    stretch: Stretch,
    list: u32,
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
            lists: Slots::new(),
            passes: Slots::new(),
        }))
    }

    /// A pass over `stretch`, which holds rows. `has_none` says where no rows are, `over` hears of
    /// passes of which nothing is left.
    pub(super) fn add(
        &self,
        own: &PiecesOfKey,
        stretch: Stretch,
        has_none: impl Fn(At, At) -> bool,
        mut over: impl FnMut(u32),
    ) -> u32 {
        let Pieces { lists, passes } = &mut *self.0.borrow_mut();
        let list = own.get().unwrap_or_else(|| lists.insert(VecDeque::new()));
        own.set(Some(list));
        let pieces = &mut lists[list];
        let (from, to) = stretch.places;
        let first = pieces.partition_point(|piece| piece.to < from);
        let end = pieces.partition_point(|piece| piece.from <= to);
        // Only the first and the last of those that are gone over may reach beyond.
        let (mut before, mut behind) = (None, None);
        for piece in pieces.drain(first..end) {
            let rest = |from, to| {
                let is_left = from <= to && !has_none(from, to);
                is_left.then_some(Piece { from, to, ..piece })
            };
            let rests = [
                from.before().and_then(|to| rest(piece.from, to)),
                to.after().and_then(|from| rest(from, piece.to)),
            ];
            let left = rests.iter().flatten().count() as u32;
            if lose_piece(passes, piece.pass, left) {
                over(piece.pass);
            }
            before = before.or(rests[0]);
            behind = rests[1];
        }
        let pass = passes.insert(Pass {
            stretch,
            list,
            pieces: 1,
        });
        let new = Piece { from, to, pass };
        for piece in [behind, Some(new), before].into_iter().flatten() {
            pieces.insert(first, piece);
        }
        pass
    }

    /// Whether a row is in a pass.
    pub(super) fn hold(&self, own: &PiecesOfKey, at: At) -> bool {
        let held = |list| holding(&self.0.borrow().lists[list], at).is_some();
        own.get().is_some_and(held)
    }

    /// A row has gone. Gives the pass of which nothing is left.
    pub(super) fn leave(
        &self,
        own: &PiecesOfKey,
        at: At,
        has_none: impl Fn(At, At) -> bool,
    ) -> Option<u32> {
        let list = own.get()?;
        let mut all = self.0.borrow_mut();
        let place = holding(&all.lists[list], at)?;
        let piece = all.lists[list][place];
        if !has_none(piece.from, piece.to) {
            return None;
        }
        all.forget(own, list, place)
    }

    /// The first piece of a pass.
    pub(super) fn first(&self, number: u32) -> Stretch {
        let mut all = self.0.borrow_mut();
        let Pass { stretch, list, .. } = all.passes[number];
        let (from, to) = stretch.places;
        let pieces = &all.lists[list];
        let first = pieces.partition_point(|piece| piece.from < from);
        let end = pieces.partition_point(|piece| piece.from <= to);
        let mut range = pieces.range(first..end);
        let is_own = |piece: &&Piece| piece.pass == number;
        let found = match stretch.direction {
            Direction::Forward => range.find(is_own),
            Direction::Backward => range.rfind(is_own),
        };
        let piece = *found.expect("a pass has pieces");
        all.passes[number].stretch.places = match stretch.direction {
            Direction::Forward => (piece.from, to),
            Direction::Backward => (from, piece.to),
        };
        let places = (piece.from, piece.to);
        Stretch { places, ..stretch }
    }

    /// What a piece holds before `at`, in the direction of its pass, was used since.
    pub(super) fn begin_at(&self, own: &PiecesOfKey, stretch: Stretch, at: At) {
        let mut all = self.0.borrow_mut();
        if let Some(list) = own.get()
            && let Some(place) = holding(&all.lists[list], stretch.places.0)
        {
            let piece = &mut all.lists[list][place];
            match stretch.direction {
                Direction::Forward => piece.from = at,
                Direction::Backward => piece.to = at,
            }
        }
    }

    /// Everything that a piece holds was used since. Gives the pass of which nothing is left.
    pub(super) fn forget(&self, own: &PiecesOfKey, stretch: Stretch) -> Option<u32> {
        let list = own.get()?;
        let mut all = self.0.borrow_mut();
        let place = holding(&all.lists[list], stretch.places.0)?;
        all.forget(own, list, place)
    }

    #[cfg(test)]
    pub(super) fn pieces(&self, own: &PiecesOfKey) -> Vec<(At, At)> {
        let all = self.0.borrow();
        let lists = own.get().map(|list| &all.lists[list]);
        let pieces = lists.into_iter().flatten();
        pieces.map(|piece| (piece.from, piece.to)).collect()
    }
}

impl Pieces {
    fn forget(&mut self, own: &PiecesOfKey, list: u32, place: usize) -> Option<u32> {
        let piece = self.lists[list].remove(place)?;
        if self.lists[list].is_empty() {
            self.lists.remove(list, VecDeque::new());
            own.set(None);
        }
        lose_piece(&mut self.passes, piece.pass, 0).then_some(piece.pass)
    }
}

/// The piece that holds a place.
fn holding(pieces: &VecDeque<Piece>, at: At) -> Option<usize> {
    let place = pieces.partition_point(|piece| piece.from <= at);
    let place = place.checked_sub(1)?;
    (at <= pieces[place].to).then_some(place)
}

/// A pass has `left` pieces instead of one; true when it has none any more.
fn lose_piece(passes: &mut Slots<Pass>, number: u32, left: u32) -> bool {
    let mut pass = passes[number];
    pass.pieces = pass.pieces + left - 1;
    passes[number] = pass;
    let is_over = pass.pieces == 0;
    if is_over {
        passes.remove(number, pass);
    }
    is_over
}
