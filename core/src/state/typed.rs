//! What typed stores of all kinds have in common.

use crate::types::RecordContext;

/// A flushed entry in the types of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushedChange<K, V> {
    /// The key.
    pub key: K,
    /// The value now; `None` says that the row was deleted.
    pub new: Option<V>,
    /// The value of the last flush, where old values are sent.
    pub old: Option<V>,
    /// The context of the record that made the last write.
    pub context: RecordContext,
}

/// What the task that owns a store sees of it: the layers of bytes do it all.
macro_rules! typed_state_store {
    ($store:ident) => {
        impl<K: 'static, V: 'static, L: ValueLayout> StateStore for $store<K, V, L> {
            fn name(&self) -> &str {
                self.bytes.name()
            }

            fn is_logged(&self) -> bool {
                self.bytes.is_logged()
            }

            fn is_cached(&self) -> bool {
                self.bytes.is_cached()
            }

            fn writes(&self) -> u64 {
                self.bytes.writes()
            }

            fn dropped_records(&self) -> u64 {
                self.bytes.dropped_records()
            }

            fn cached_bytes(&self) -> usize {
                self.bytes.cached_bytes()
            }

            fn take_cache_reads(&self) -> crate::state::CacheReads {
                self.bytes.take_cache_reads()
            }

            fn state_id_tag(&self) -> &'static str {
                self.bytes.state_id_tag()
            }

            fn is_persistent(&self) -> bool {
                self.bytes.rows().is_persistent()
            }

            fn init(
                &mut self,
                storage: &crate::state::storage::TaskStorage,
            ) -> Result<(), StateError> {
                self.bytes.init(storage)
            }

            fn set_changelog_topic(&mut self, topic: &TopicName) {
                self.serdes.set_topic(topic);
            }

            fn restore(&mut self, record: ChangelogRecord) -> Result<(), StateError> {
                self.bytes.restore(&record)
            }

            fn visit_changelog(&mut self, visit: &mut dyn FnMut(ChangelogEntry<'_>)) {
                self.bytes.visit_changelog(visit);
            }

            fn set_flush_listener(&mut self, send_old_values: bool) {
                self.bytes.set_flush_listener(send_old_values);
            }

            fn begin_flush(&mut self) {
                self.bytes.begin_flush();
            }

            fn next_flushed(&mut self) -> Result<Option<FlushedEntry>, StateError> {
                self.bytes.next_flushed()
            }

            fn has_pending(&self) -> bool {
                self.bytes.has_pending()
            }

            fn shrink_cache(&mut self) {
                self.bytes.shrink_cache();
            }

            fn clear_cache(&mut self) {
                self.bytes.clear_cache();
            }

            fn clear(&mut self) -> Result<(), StateError> {
                self.bytes.clear()
            }

            fn approximate_num_entries(&self) -> u64 {
                self.bytes.approximate_num_entries()
            }

            fn visit_rows(
                &self,
                visit: &mut dyn FnMut(ChangelogEntry<'_>),
            ) -> Result<(), StateError> {
                self.bytes.visit_rows(visit)
            }

            fn query(
                &self,
                query: &StoreQuery,
                after: Option<&RowPosition>,
                max_rows: usize,
            ) -> Result<QueryPage, QueryFailure> {
                self.answer(query, after, max_rows)
            }

            fn as_any(&self) -> &dyn Any {
                self
            }

            fn as_any_mut(&mut self) -> &mut dyn Any {
                self
            }
        }
    };
}

pub(super) use typed_state_store;
