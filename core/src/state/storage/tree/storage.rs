//! A tree as the storage of a task.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::super::super::byte_store::{ByteBounds, ByteRow, Direction};
use super::super::super::bytes::StoreBytes;
use super::super::{Storage, StorageBatch, StorageError};
use super::Tree;

/// A [`Tree`] for the one thread that has it, which waits for the disk: every batch is a
/// checkpoint.
#[derive(Debug)]
pub struct TreeStorage(RefCell<Tree>);

impl TreeStorage {
    /// Of what is in `tree`.
    pub fn new(tree: Tree) -> Self {
        Self(RefCell::new(tree))
    }
}

impl Storage for TreeStorage {
    fn get(&self, space: u16, key: &[u8]) -> Result<Option<StoreBytes>, StorageError> {
        self.0.borrow_mut().get(space, key)
    }

    fn read(
        &self,
        space: u16,
        bounds: ByteBounds<'_>,
        direction: Direction,
        max_rows: usize,
    ) -> Result<VecDeque<ByteRow>, StorageError> {
        let mut tree = self.0.borrow_mut();
        tree.read(space, bounds, direction, max_rows)
    }

    fn approximate_len(&self, space: u16) -> Result<u64, StorageError> {
        Ok(self.0.borrow().len(space))
    }

    fn write(&mut self, batch: &StorageBatch) -> Result<(), StorageError> {
        let tree = self.0.get_mut();
        tree.write(batch)?;
        tree.checkpoint()
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.0.get_mut().checkpoint()
    }
}
