//! The bytes that the record caches of one thread may hold together.

use std::cell::Cell;
use std::rc::Rc;

/// A byte budget shared by the stores of one thread (`statestore.cache.max.bytes` divided by the
/// threads). Clones share it.
#[derive(Clone, Debug)]
pub struct CacheBudget {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    used: Cell<usize>,
    max: Cell<usize>,
}

impl CacheBudget {
    /// A budget of `max_bytes`; 0 makes every cached write go down at once.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            shared: Rc::new(Shared {
                used: Cell::new(0),
                max: Cell::new(max_bytes),
            }),
        }
    }

    /// The bytes in use, as Java counts them: key, value, headers, the name of the topic and a
    /// fixed overhead of every entry (`LRUCacheEntry`, `NamedCache`).
    pub fn used(&self) -> usize {
        self.shared.used.get()
    }

    /// The bound in bytes.
    pub fn max_bytes(&self) -> usize {
        self.shared.max.get()
    }

    /// Changes the bound. After making it smaller, call
    /// [`shrink_cache`](super::StateStore::shrink_cache) on the stores.
    pub fn resize(&self, max_bytes: usize) {
        self.shared.max.set(max_bytes);
    }

    #[inline]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.shared.used.get() > self.shared.max.get()
    }

    #[inline]
    pub(crate) fn take(&self, bytes: usize) {
        self.shared.used.set(self.shared.used.get() + bytes);
    }

    #[inline]
    pub(crate) fn give_back(&self, bytes: usize) {
        let used = self.shared.used.get();
        debug_assert!(bytes <= used, "gave back more than was taken");
        self.shared.used.set(used - bytes);
    }
}
