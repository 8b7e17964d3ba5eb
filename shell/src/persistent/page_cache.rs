//! The memory for pages of files, shared out among the tasks of an instance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is left of `statestore.page.cache.max.bytes`.
pub(super) struct PageCache {
    left_bytes: Mutex<usize>,
}

impl PageCache {
    pub(super) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            left_bytes: Mutex::new(max_bytes),
        })
    }

    /// The share of one more task. How many there will be is not known, and an engine cannot give
    /// memory back while it is open: each takes an eighth of what is left, so that there is always
    /// something for the next one, and all together never take more than the whole.
    pub(super) fn share(self: &Arc<Self>) -> PageShare {
        let mut left = self.left();
        let bytes = (*left / 8).max(SHARE_BYTES_MIN).min(*left);
        *left -= bytes;
        PageShare {
            cache: Arc::clone(self),
            bytes,
        }
    }

    fn left(&self) -> MutexGuard<'_, usize> {
        self.left_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Less than this is of little use: the inner pages of a tree should fit.
const SHARE_BYTES_MIN: usize = 1 << 20;

/// What one task may take, until this is dropped.
pub(super) struct PageShare {
    cache: Arc<PageCache>,
    bytes: usize,
}

impl PageShare {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for PageShare {
    fn drop(&mut self) {
        *self.cache.left() += self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_tasks_takes_no_more_than_the_whole() {
        for max_bytes in [0, 1000, 1 << 20, 64 << 20, 512 << 20] {
            let cache = PageCache::new(max_bytes);
            let shares: Vec<PageShare> = (0..1000).map(|_| cache.share()).collect();
            let taken: usize = shares.iter().map(PageShare::bytes).sum();
            assert!(taken <= max_bytes, "{taken} of {max_bytes}");
            assert!(shares.is_sorted_by_key(|share| std::cmp::Reverse(share.bytes())));
            drop(shares);
            assert_eq!(*cache.left(), max_bytes);
        }
        let cache = PageCache::new(512 << 20);
        let shares: Vec<PageShare> = (0..30).map(|_| cache.share()).collect();
        assert_eq!(shares[0].bytes(), 64 << 20);
        assert!(shares[29].bytes() >= SHARE_BYTES_MIN);
    }
}
