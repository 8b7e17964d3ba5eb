//! Stores of a running application, to read from (Java: `KafkaStreams.store`).

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::query::{
    KeyQuery, MultiVersionedKeyQuery, PositionBound, Query, QueryFailure, QueryRow, StoreQuery,
    TimestampedKeyQuery, VersionedKeyQuery,
};
use eddyline_core::serde::{DefaultSerde, SerdeRef};
use eddyline_core::state::{Direction, ValueAndTimestamp, VersionedRecord};
use eddyline_core::window::Windowed;

use super::{QueryRows, Question};
use crate::streams::RunningStreams;
use crate::threads::Shared;

/// What every handle has.
struct Handle<K, V> {
    shared: Arc<Shared>,
    store: String,
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
    allows_stale: bool,
}

impl<K, V> Clone for Handle<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            store: self.store.clone(),
            keys: Arc::clone(&self.keys),
            values: Arc::clone(&self.values),
            allows_stale: self.allows_stale,
        }
    }
}

impl<K: 'static, V: 'static> Handle<K, V> {
    fn key(&self, key: &K) -> Result<Bytes, QueryFailure> {
        let mut bytes = Vec::new();
        let written = self.keys.serialize(&self.store, key, &mut bytes);
        written.map_err(|error| QueryFailure::serde(&self.store, &error))?;
        Ok(bytes.into())
    }

    fn bound(&self, bound: Bound<&K>) -> Result<Bound<Bytes>, QueryFailure> {
        Ok(match bound {
            Bound::Included(key) => Bound::Included(self.key(key)?),
            Bound::Excluded(key) => Bound::Excluded(self.key(key)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    }

    fn bounds(
        &self,
        range: &impl RangeBounds<K>,
    ) -> Result<(Bound<Bytes>, Bound<Bytes>), QueryFailure> {
        let (from, to) = (range.start_bound(), range.end_bound());
        Ok((self.bound(from)?, self.bound(to)?))
    }

    /// Asks every local partition that processes, or may be stale; none, or one that is not ready,
    /// is a failure.
    fn rows<R>(
        &self,
        query: StoreQuery,
        read: impl Fn(&Self, QueryRow) -> Result<R, QueryFailure> + Send + 'static,
    ) -> Result<QueryRows<R>, QueryFailure>
    where
        K: 'static,
        V: 'static,
    {
        let question = Question {
            store: self.store.clone(),
            query,
            bound: PositionBound::Unbounded,
            allows_stale: self.allows_stale,
        };
        let mut pages = question.ask(&self.shared, None, None)?;
        pages.retain(|page| page.is_active || self.allows_stale);
        if pages.is_empty() {
            return Err(QueryFailure::NotPresent {
                store: self.store.clone(),
                partition: None,
            });
        }
        let own = self.clone();
        QueryRows::new(&self.shared, &question, pages, move |row| read(&own, row))
    }

    fn read_key(&self, row: &QueryRow) -> Result<K, QueryFailure> {
        let key = self.keys.deserialize(&self.store, &row.position.key);
        key.map_err(|error| QueryFailure::serde(&self.store, &error))
    }

    fn read_value(&self, row: &QueryRow) -> Result<V, QueryFailure> {
        let value = self.values.deserialize(&self.store, &row.value);
        value.map_err(|error| QueryFailure::serde(&self.store, &error))
    }

    fn read_windowed(&self, row: &QueryRow) -> Result<(Windowed<K>, V), QueryFailure> {
        let Some(window) = row.window else {
            return Err(QueryFailure::Store {
                store: self.store.clone(),
                message: "a row without a window".to_owned(),
            });
        };
        let key = Windowed::new(self.read_key(row)?, window);
        Ok((key, self.read_value(row)?))
    }

    /// The row of a typed query of one row, from whichever partition has it.
    fn one<Q>(&self, query: Q) -> Result<Option<Q::Row>, QueryFailure>
    where
        Q: Query + Send + 'static,
    {
        let request = query.request(&self.store)?;
        let mut rows = self.rows(request, move |own, row| query.read(&own.store, row))?;
        rows.next().transpose()
    }
}

impl<K, V> fmt::Debug for Handle<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.store).finish()
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $store:ident, $open:ident, $open_with:ident, $java:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $store<K, V>(Handle<K, V>);

        impl<K, V> Clone for $store<K, V> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }

        impl RunningStreams {
            #[doc = concat!("The store called `name`, with the types' own serdes (Java: `", $java, "`).")]
            ///
            /// # Errors
            /// When the topology has no such store. That its partitions are elsewhere, or are being
            /// restored, is told when it is read.
            pub fn $open<K: DefaultSerde, V: DefaultSerde>(
                &self,
                name: &str,
            ) -> Result<$store<K, V>, QueryFailure> {
                self.$open_with(name, K::default_serde(), V::default_serde())
            }

            /// The store called `name`, with these serdes.
            ///
            /// # Errors
            /// When the topology has no such store.
            pub fn $open_with<K, V>(
                &self,
                name: &str,
                keys: SerdeRef<K>,
                values: SerdeRef<V>,
            ) -> Result<$store<K, V>, QueryFailure> {
                if !self.shared.topology().has_store(name) {
                    let store = name.to_owned();
                    return Err(QueryFailure::DoesNotExist { store });
                }
                Ok($store(Handle {
                    shared: Arc::clone(&self.shared),
                    store: name.to_owned(),
                    keys,
                    values,
                    allows_stale: false,
                }))
            }
        }

        impl<K, V> $store<K, V> {
            /// The same with the partitions of standbys, and with those that are being restored as
            /// far as they are (Java: `StoreQueryParameters.enableStaleStores`).
            #[must_use]
            pub fn enable_stale_stores(mut self) -> Self {
                self.0.allows_stale = true;
                self
            }
        }
    };
}

handle!(
    /// A key-value store of any kind, over all of its local partitions (Java:
    /// `ReadOnlyKeyValueStore`).
    ReadOnlyKeyValueStore,
    key_value_store,
    key_value_store_with,
    "QueryableStoreTypes.keyValueStore, timestampedKeyValueStore"
);

handle!(
    /// A window store of any kind, over all of its local partitions (Java:
    /// `ReadOnlyWindowStore`).
    ReadOnlyWindowStore,
    window_store,
    window_store_with,
    "QueryableStoreTypes.windowStore, timestampedWindowStore"
);

handle!(
    /// A session store of any kind, over all of its local partitions (Java:
    /// `ReadOnlySessionStore`).
    ReadOnlySessionStore,
    session_store,
    session_store_with,
    "QueryableStoreTypes.sessionStore"
);

handle!(
    /// A versioned store, over all of its local partitions. Java has it for the newer API only.
    ReadOnlyVersionedStore,
    versioned_store,
    versioned_store_with,
    "VersionedKeyQuery"
);

impl<K, V> ReadOnlyKeyValueStore<K, V>
where
    K: Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The value of `key`.
    ///
    /// # Errors
    /// When no partition is here, one is not ready, or a serde fails.
    pub fn get(&self, key: &K) -> Result<Option<V>, QueryFailure> {
        let (keys, values) = (Arc::clone(&self.0.keys), Arc::clone(&self.0.values));
        self.0.one(KeyQuery::of(key.clone(), keys, values))
    }

    /// The value of `key` with its timestamp; -1 in a store without timestamps.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn get_timestamped(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, QueryFailure> {
        let (keys, values) = (Arc::clone(&self.0.keys), Arc::clone(&self.0.values));
        self.0
            .one(TimestampedKeyQuery::of(key.clone(), keys, values))
    }

    /// The rows of a range of keys, lowest first. Java's bounds are inclusive: `from..=to`.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn range(&self, range: impl RangeBounds<K>) -> Result<QueryRows<(K, V)>, QueryFailure> {
        self.scan(self.0.bounds(&range)?, Direction::Forward)
    }

    /// The rows of a range of keys, highest first.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn reverse_range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<QueryRows<(K, V)>, QueryFailure> {
        self.scan(self.0.bounds(&range)?, Direction::Backward)
    }

    /// Every row, lowest key first.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn all(&self) -> Result<QueryRows<(K, V)>, QueryFailure> {
        self.range(..)
    }

    /// Every row, highest key first.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn reverse_all(&self) -> Result<QueryRows<(K, V)>, QueryFailure> {
        self.reverse_range(..)
    }

    /// The rows whose keys begin with the bytes of `prefix` (Java: `prefixScan`).
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn prefix_scan<P>(
        &self,
        prefix: &P,
        serde: &SerdeRef<P>,
    ) -> Result<QueryRows<(K, V)>, QueryFailure> {
        let mut bytes = Vec::new();
        let written = serde.serialize(&self.0.store, prefix, &mut bytes);
        written.map_err(|error| QueryFailure::serde(&self.0.store, &error))?;
        let end = match eddyline_core::state::prefix_end(&bytes) {
            Some(end) => Bound::Excluded(end.into()),
            None => Bound::Unbounded,
        };
        self.scan((Bound::Included(bytes.into()), end), Direction::Forward)
    }

    /// About how many rows the local partitions have, without the record cache.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn approximate_num_entries(&self) -> Result<u64, QueryFailure> {
        let rows = self.0.rows(StoreQuery::Count, |_, row| Ok(row.count))?;
        rows.sum()
    }

    fn scan(
        &self,
        (from, to): (Bound<Bytes>, Bound<Bytes>),
        direction: Direction,
    ) -> Result<QueryRows<(K, V)>, QueryFailure> {
        let query = StoreQuery::Range {
            from,
            to,
            direction,
            skip_cache: false,
        };
        self.0.rows(query, |own, row| {
            Ok((own.read_key(&row)?, own.read_value(&row)?))
        })
    }
}

impl<K, V> ReadOnlyWindowStore<K, V>
where
    K: Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The value of `key` in the window that starts at `time`.
    ///
    /// # Errors
    /// When no partition is here, one is not ready, or a serde fails.
    pub fn fetch(&self, key: &K, time: i64) -> Result<Option<V>, QueryFailure> {
        let mut rows = self.fetch_windows(key, time, time)?;
        Ok(rows.next().transpose()?.map(|(_, value)| value))
    }

    /// The windows of `key` that start from `time_from` to `time_to`, by their start.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_windows(
        &self,
        key: &K,
        time_from: i64,
        time_to: i64,
    ) -> Result<QueryRows<(i64, V)>, QueryFailure> {
        let key = self.0.key(key)?;
        let keys = (Bound::Included(key.clone()), Bound::Included(key));
        let query = windows(keys, (time_from, time_to), Direction::Forward);
        self.0.rows(query, |own, row| {
            Ok((row.position.time, own.read_value(&row)?))
        })
    }

    /// The windows of a range of keys that start from `time_from` to `time_to`.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_range(
        &self,
        range: impl RangeBounds<K>,
        time_from: i64,
        time_to: i64,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let keys = self.0.bounds(&range)?;
        let query = windows(keys, (time_from, time_to), Direction::Forward);
        self.0.rows(query, |own, row| own.read_windowed(&row))
    }

    /// The same, last first (Java: `backwardFetch`).
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn backward_fetch_range(
        &self,
        range: impl RangeBounds<K>,
        time_from: i64,
        time_to: i64,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let keys = self.0.bounds(&range)?;
        let query = windows(keys, (time_from, time_to), Direction::Backward);
        self.0.rows(query, |own, row| own.read_windowed(&row))
    }

    /// The windows of all keys that start from `time_from` to `time_to`.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_all(
        &self,
        time_from: i64,
        time_to: i64,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        self.fetch_range(.., time_from, time_to)
    }

    /// Every window.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn all(&self) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        self.fetch_range(.., i64::MIN, i64::MAX)
    }
}

fn windows(
    keys: (Bound<Bytes>, Bound<Bytes>),
    (time_from, time_to): (i64, i64),
    direction: Direction,
) -> StoreQuery {
    StoreQuery::Windows {
        keys,
        time_from,
        time_to,
        direction,
        skip_cache: false,
    }
}

impl<K, V> ReadOnlySessionStore<K, V>
where
    K: Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The sessions of `key`.
    ///
    /// # Errors
    /// When no partition is here, one is not ready, or a serde fails.
    pub fn fetch(&self, key: &K) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        self.find_sessions(key, i64::MIN, i64::MAX)
    }

    /// The sessions of a range of keys.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_range(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let keys = self.0.bounds(&range)?;
        self.sessions(keys, (i64::MIN, i64::MAX), Direction::Forward)
    }

    /// The sessions of `key` that end at `earliest_end` or later and start at `latest_start` or
    /// earlier.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let key = self.0.key(key)?;
        let keys = (Bound::Included(key.clone()), Bound::Included(key));
        self.sessions(keys, (earliest_end, latest_start), Direction::Forward)
    }

    /// The same, last first (Java: `backwardFindSessions`).
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn backward_find_sessions(
        &self,
        key: &K,
        earliest_end: i64,
        latest_start: i64,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let key = self.0.key(key)?;
        let keys = (Bound::Included(key.clone()), Bound::Included(key));
        self.sessions(keys, (earliest_end, latest_start), Direction::Backward)
    }

    /// The value of the session of `key` from `start` to `end`.
    ///
    /// # Errors
    /// As for [`fetch`](Self::fetch).
    pub fn fetch_session(&self, key: &K, start: i64, end: i64) -> Result<Option<V>, QueryFailure> {
        for row in self.find_sessions(key, end, start)? {
            let (key, value) = row?;
            if (key.window.start, key.window.end) == (start, end) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn sessions(
        &self,
        keys: (Bound<Bytes>, Bound<Bytes>),
        (earliest_end, latest_start): (i64, i64),
        direction: Direction,
    ) -> Result<QueryRows<(Windowed<K>, V)>, QueryFailure> {
        let query = StoreQuery::Sessions {
            keys,
            earliest_end,
            latest_start,
            direction,
            skip_cache: false,
        };
        self.0.rows(query, |own, row| own.read_windowed(&row))
    }
}

impl<K, V> ReadOnlyVersionedStore<K, V>
where
    K: Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The latest version of `key`.
    ///
    /// # Errors
    /// When no partition is here, one is not ready, or a serde fails.
    pub fn get(&self, key: &K) -> Result<Option<VersionedRecord<V>>, QueryFailure> {
        let (keys, values) = (Arc::clone(&self.0.keys), Arc::clone(&self.0.values));
        self.0.one(VersionedKeyQuery::of(key.clone(), keys, values))
    }

    /// The version of `key` that was valid at `as_of` milliseconds.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn get_as_of(
        &self,
        key: &K,
        as_of: i64,
    ) -> Result<Option<VersionedRecord<V>>, QueryFailure> {
        let (keys, values) = (Arc::clone(&self.0.keys), Arc::clone(&self.0.values));
        let query = VersionedKeyQuery::of(key.clone(), keys, values);
        self.0.one(query.as_of(as_of))
    }

    /// The versions of `key` that were valid at some time from `from` to `to`, newest first.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub fn history(
        &self,
        key: &K,
        from: i64,
        to: i64,
    ) -> Result<QueryRows<VersionedRecord<V>>, QueryFailure> {
        let (keys, values) = (Arc::clone(&self.0.keys), Arc::clone(&self.0.values));
        let query = MultiVersionedKeyQuery::of(key.clone(), keys, values);
        let query = query.from_time(from).to_time(to);
        let request = query.request(&self.0.store)?;
        self.0
            .rows(request, move |own, row| query.read(&own.store, row))
    }
}
