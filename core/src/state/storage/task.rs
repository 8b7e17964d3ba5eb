//! The storage of one task: its stores, their changelog offsets, and what is not committed yet.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::super::StateError;
use super::super::byte_store::{ALL_KEYS, Direction};
use super::super::bytes::StoreBytes;
use super::metadata::{Header, StoreEntry, store_key, store_name};
use super::space::{Space, SpaceState, Writes};
use super::{Removal, SpaceWrites, Storage, StorageBatch, StorageError};
use crate::types::TaskId;

/// The persistent stores of one task over its [`Storage`]. Clones share it.
///
/// What stores write stays in memory, in an overlay that reads see first, until
/// [`commit`](Self::commit) applies what was there at the last [`seal`](Self::seal) as one batch
/// with the changelog offsets. Dropping it drops what was not applied: nothing else is needed for a
/// dirty close.
#[derive(Clone)]
pub struct TaskStorage(Rc<RefCell<Inner>>);

pub(super) struct Inner {
    pub(super) storage: Box<dyn Storage>,
    pub(super) spaces: Vec<SpaceState>,
    /// Stores that were here before, by name; those of the topology have a space.
    entries: BTreeMap<String, StoreEntry>,
    /// Set until it was written.
    header: Option<Header>,
}

/// What a store tells of itself to get its place in the storage of its task.
#[derive(Clone, Debug)]
pub struct StoreInit<'a> {
    /// The storage.
    pub storage: &'a TaskStorage,
    /// The name of the store.
    pub store: &'a str,
    /// What its values are made of.
    pub format: &'a str,
    /// True where its changelog can bring its rows back.
    pub is_logged: bool,
}

impl StoreInit<'_> {
    /// The place of the store, whose keys are of the kind `keys`. Rows of another layout are
    /// dropped where the changelog has them.
    ///
    /// # Errors
    /// When the storage fails, or has rows of another layout that nothing could bring back.
    pub fn space(&self, keys: &str) -> Result<Space, StateError> {
        let layout = format!("{keys}, {}", self.format);
        let at = self.storage.register(self.store, &layout, self.is_logged);
        let storage = self.storage.clone();
        at.map(|at| Space { storage, at })
            .map_err(|error| storage_error(self.store, &error))
    }
}

/// A failed storage as a store tells it.
pub(in crate::state) fn storage_error(store: &str, error: &StorageError) -> StateError {
    StateError::Storage {
        store: store.to_owned(),
        error: error.clone(),
    }
}

impl TaskStorage {
    /// Reads what `storage` has of `task`; an empty one is given to it.
    ///
    /// # Errors
    /// When it is of another application, task or version, damaged, or cannot be read.
    pub fn open(
        storage: Box<dyn Storage>,
        application_id: &str,
        task: TaskId,
    ) -> Result<Self, StorageError> {
        let header = Header::new(application_id, task);
        let is_new = match storage.get(METADATA_SPACE, HEADER_KEY)? {
            Some(bytes) => {
                header.check(&bytes)?;
                false
            }
            None => true,
        };
        let mut entries = BTreeMap::new();
        let rows = storage.read(METADATA_SPACE, ALL_KEYS, Direction::Forward, usize::MAX)?;
        for (key, value) in rows {
            if *key == *HEADER_KEY {
                continue;
            }
            let place = header.place();
            if is_new {
                let message = "it has rows and no header".to_owned();
                return Err(StorageError::Damaged { place, message });
            }
            let entry = store_name(&key).zip(StoreEntry::read(&value));
            let Some((name, entry)) = entry else {
                let message = format!("{key:?} is {value:?}");
                return Err(StorageError::Damaged { place, message });
            };
            entries.insert(name.to_owned(), entry);
        }
        Ok(Self(Rc::new(RefCell::new(Inner {
            storage,
            spaces: Vec::new(),
            entries,
            header: is_new.then_some(header),
        }))))
    }

    pub(super) fn inner(&self) -> Ref<'_, Inner> {
        self.0.borrow()
    }

    pub(super) fn inner_mut(&self) -> RefMut<'_, Inner> {
        self.0.borrow_mut()
    }

    /// The place of `store` among the spaces.
    fn register(&self, store: &str, layout: &str, is_logged: bool) -> Result<usize, StorageError> {
        let (at, is_foreign) = {
            let mut inner = self.inner_mut();
            let known = inner.entries.get(store).cloned();
            let is_foreign = known.as_ref().is_some_and(|known| known.layout != layout);
            let entry = match known {
                Some(known) => known,
                None => inner.new_entry(layout)?,
            };
            if is_foreign && !is_logged {
                let place = format!("store {store}");
                let message = format!("its rows are {}, not {layout}", entry.layout);
                return Err(StorageError::Foreign { place, message });
            }
            inner.spaces.push(SpaceState {
                store: Box::from(store),
                id: entry.space,
                layout: Box::from(layout),
                offset: entry.offset,
                open: Writes::new(entry.observed_stream_time),
                sealed: None,
            });
            (inner.spaces.len() - 1, is_foreign)
        };
        if is_foreign {
            self.clear(at)?;
        }
        Ok(at)
    }

    /// The last record of its changelog that the rows of `store` reflect (Java:
    /// `StateStore.committedOffset`): restoring begins behind it. `None` is the beginning, and a
    /// store that is not persistent.
    pub fn committed_offset(&self, store: &str) -> Option<i64> {
        let inner = self.inner();
        inner.space(store).and_then(|state| state.offset)
    }

    /// About how many bytes wait in memory to be committed.
    pub fn uncommitted_bytes(&self) -> usize {
        self.inner().spaces.iter().map(SpaceState::bytes).sum()
    }

    /// Sets apart what was written so far, which the commit that begins now is about. What is
    /// written from here on belongs to the next one; what an earlier commit that was refused had
    /// set apart belongs to this.
    pub fn seal(&self) {
        self.inner_mut()
            .spaces
            .iter_mut()
            .for_each(SpaceState::seal);
    }

    /// Applies what was set apart, and where `offset_of` knows the last changelog record that
    /// belongs to it, that, as one batch: to be called when the commit has succeeded (Java:
    /// `StateStore.commit`).
    ///
    /// # Errors
    /// When the storage cannot be written. What was set apart is what it was.
    pub fn commit(&self, offset_of: impl Fn(&str) -> Option<i64>) -> Result<(), StorageError> {
        let mut inner = self.inner_mut();
        let mut batch = StorageBatch::default();
        let mut metadata = Vec::new();
        let mut offsets = Vec::with_capacity(inner.spaces.len());
        for state in &inner.spaces {
            let offset = offset_of(&state.store).max(state.offset);
            offsets.push(offset);
            let sealed = state.sealed.as_ref();
            let is_written = sealed
                .is_some_and(|sealed| !sealed.overlay.is_empty() || sealed.remove_below.is_some());
            if !is_written && offset == state.offset {
                continue;
            }
            let writes = sealed.unwrap_or(&state.open);
            let entry = StoreEntry {
                space: state.id,
                offset,
                observed_stream_time: writes.observed_stream_time,
                layout: state.layout.to_string(),
            };
            metadata.push((store_key(&state.store), Some(entry.to_bytes())));
            if let Some(sealed) = sealed.filter(|_| is_written) {
                batch.spaces.push(state.writes(sealed));
            }
        }
        if !metadata.is_empty() {
            inner.write(batch, metadata)?;
        }
        for (state, offset) in inner.spaces.iter_mut().zip(offsets) {
            state.offset = offset;
            state.sealed = None;
        }
        Ok(())
    }

    /// Applies everything, with offsets as for [`commit`](Self::commit): for rows that come from a
    /// changelog, which are committed as they are.
    ///
    /// # Errors
    /// As there.
    pub fn commit_restored(
        &self,
        offset_of: impl Fn(&str) -> Option<i64>,
    ) -> Result<(), StorageError> {
        self.seal();
        self.commit(offset_of)
    }

    /// Removes the rows of the store at a place, and the offset with them.
    pub(super) fn clear(&self, at: usize) -> Result<(), StorageError> {
        let mut inner = self.inner_mut();
        let state = &mut inner.spaces[at];
        (state.offset, state.sealed) = (None, None);
        state.open = Writes::new(-1);
        let entry = StoreEntry {
            space: state.id,
            offset: None,
            observed_stream_time: -1,
            layout: state.layout.to_string(),
        };
        let metadata = vec![(store_key(&state.store), Some(entry.to_bytes()))];
        let spaces = vec![SpaceWrites {
            space: state.id,
            remove: Removal::Everything,
            rows: Vec::new(),
        }];
        inner.write(StorageBatch { spaces }, metadata)
    }

    /// Waits until all that was applied is safe from a crash.
    ///
    /// # Errors
    /// When the storage cannot be written.
    pub fn flush(&self) -> Result<(), StorageError> {
        self.inner_mut().storage.flush()
    }
}

impl Inner {
    fn space(&self, store: &str) -> Option<&SpaceState> {
        self.spaces.iter().find(|state| &*state.store == store)
    }

    /// An entry for a store that was not here before.
    fn new_entry(&mut self, layout: &str) -> Result<StoreEntry, StorageError> {
        let known = self.entries.values().map(|entry| entry.space);
        let taken = known.chain(self.spaces.iter().map(|state| state.id)).max();
        let space = taken.unwrap_or(METADATA_SPACE).checked_add(1);
        let space = space.ok_or_else(|| StorageError::Damaged {
            place: "the storage of a task".to_owned(),
            message: format!("it has {} stores", u16::MAX),
        })?;
        Ok(StoreEntry {
            space,
            offset: None,
            observed_stream_time: -1,
            layout: layout.to_owned(),
        })
    }

    /// Writes `batch` with what is known of its stores.
    fn write(
        &mut self,
        mut batch: StorageBatch,
        mut metadata: Vec<(StoreBytes, Option<StoreBytes>)>,
    ) -> Result<(), StorageError> {
        if let Some(header) = &self.header {
            let header = StoreBytes::new(&header.to_bytes());
            metadata.push((StoreBytes::new(HEADER_KEY), Some(header)));
        }
        metadata.sort_unstable();
        batch.spaces.push(SpaceWrites {
            space: METADATA_SPACE,
            remove: Removal::Nothing,
            rows: metadata,
        });
        self.storage.write(&batch)?;
        self.header = None;
        Ok(())
    }
}

impl SpaceState {
    fn writes(&self, sealed: &Writes) -> SpaceWrites {
        SpaceWrites {
            space: self.id,
            remove: sealed.removal(),
            rows: sealed.overlay.sorted(),
        }
    }
}

impl fmt::Debug for TaskStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStorage")
            .field("uncommitted_bytes", &self.uncommitted_bytes())
            .finish_non_exhaustive()
    }
}

/// What is known of the task and its stores.
const METADATA_SPACE: u16 = 0;

/// Below every key of a store.
const HEADER_KEY: &[u8] = b"";
