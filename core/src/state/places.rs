//! Where rows were found, so that a cache above them need not search again.

/// No place of a row: nothing is known of it.
pub const NO_PLACE: u32 = u32::MAX;

/// Where rows are. A place is a hint: what is not there any more is searched for. By default nothing
/// is known of any.
pub trait Places {
    /// Where the key is that was found or written last.
    fn last_place(&self) -> u32 {
        NO_PLACE
    }

    /// The key that is asked for next was at this place once: it is looked for there first.
    fn expect_at(&self, _place: u32) {}

    /// Reads what is at these places, which is needed soon. A processor fetches many things at once
    /// from memory, where none depends on another; in the middle of other work it would wait for
    /// each.
    fn warm(&self, _places: &[u32]) {}
}

/// The places of rows that have none, as on a disk.
#[derive(Clone, Copy, Debug)]
pub struct NoPlaces;

impl Places for NoPlaces {}
