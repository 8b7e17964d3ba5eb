//! The memory for leaves of files, shared out among the tasks of an instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `statestore.page.cache.max.bytes`, and among how many tasks it is shared out.
pub(super) struct PageCache {
    max_bytes: usize,
    tasks: AtomicUsize,
}

impl PageCache {
    pub(super) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            tasks: AtomicUsize::new(0),
        })
    }

    /// The share of one more task.
    pub(super) fn share(self: &Arc<Self>) -> PageShare {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        PageShare(Arc::clone(self))
    }
}

/// What one task may take, until this is dropped: as much as every other one.
pub(super) struct PageShare(Arc<PageCache>);

impl PageShare {
    /// Changes whenever a task is opened or closed.
    pub(super) fn bytes(&self) -> usize {
        self.0.max_bytes / self.0.tasks.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for PageShare {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_tasks_shares_the_whole() {
        let cache = PageCache::new(1000);
        let first = cache.share();
        assert_eq!(first.bytes(), 1000);
        let others = [cache.share(), cache.share()];
        assert_eq!(first.bytes(), 333);
        drop(others);
        assert_eq!(first.bytes(), 1000);
    }
}
