//! Typed queries (KIP-796, KIP-805, KIP-806, KIP-960, KIP-968, KIP-992).

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

use super::{QueryFailure, QueryRow, StoreQuery};
use crate::serde::{DefaultSerde, SerdeRef};
use crate::state::{Direction, ValueAndTimestamp, VersionedRecord};
use crate::window::Windowed;

/// A question to a store, and what its answers are (Java: `query.Query`).
pub trait Query {
    /// What a row of the answer is.
    type Row;

    /// The question in bytes.
    ///
    /// # Errors
    /// When a key has no bytes.
    fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure>;

    /// A row of the answer.
    ///
    /// # Errors
    /// When the serde cannot read it.
    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure>;
}

/// The order of an answer (Java: `ResultOrder`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultOrder {
    /// Whatever the store does by itself: up.
    #[default]
    Any,
    /// Lowest key, or oldest version, first.
    Ascending,
    /// Highest key, or newest version, first.
    Descending,
}

impl ResultOrder {
    const fn direction(self) -> Direction {
        match self {
            Self::Any | Self::Ascending => Direction::Forward,
            Self::Descending => Direction::Backward,
        }
    }
}

/// The serdes of a query.
struct Serdes<K, V> {
    keys: SerdeRef<K>,
    values: SerdeRef<V>,
}

impl<K, V> Serdes<K, V> {
    fn key(&self, store: &str, key: &K) -> Result<Bytes, QueryFailure> {
        let mut bytes = Vec::new();
        let written = self.keys.serialize(store, key, &mut bytes);
        written.map_err(|error| QueryFailure::serde(store, &error))?;
        Ok(bytes.into())
    }

    fn bound(&self, store: &str, key: &Bound<K>) -> Result<Bound<Bytes>, QueryFailure> {
        Ok(match key {
            Bound::Included(key) => Bound::Included(self.key(store, key)?),
            Bound::Excluded(key) => Bound::Excluded(self.key(store, key)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    }

    fn bounds(
        &self,
        store: &str,
        (from, to): &(Bound<K>, Bound<K>),
    ) -> Result<(Bound<Bytes>, Bound<Bytes>), QueryFailure> {
        Ok((self.bound(store, from)?, self.bound(store, to)?))
    }

    fn read_key(&self, store: &str, row: &QueryRow) -> Result<K, QueryFailure> {
        let key = self.keys.deserialize(store, &row.position.key);
        key.map_err(|error| QueryFailure::serde(store, &error))
    }

    fn read_value(&self, store: &str, row: &QueryRow) -> Result<V, QueryFailure> {
        let value = self.values.deserialize(store, &row.value);
        value.map_err(|error| QueryFailure::serde(store, &error))
    }

    /// Plain stores have no timestamps; Java says -1 of their values.
    fn read_timestamped(
        &self,
        store: &str,
        row: &QueryRow,
    ) -> Result<ValueAndTimestamp<V>, QueryFailure> {
        let value = self.read_value(store, row)?;
        Ok(ValueAndTimestamp::new(value, row.timestamp.unwrap_or(-1)))
    }

    fn read_windowed(&self, store: &str, row: &QueryRow) -> Result<Windowed<K>, QueryFailure> {
        let key = self.read_key(store, row)?;
        match row.window {
            Some(window) => Ok(Windowed::new(key, window)),
            None => Err(QueryFailure::Store {
                store: store.to_owned(),
                message: "a row without a window".to_owned(),
            }),
        }
    }
}

fn owned<K: Clone>(range: impl RangeBounds<K>) -> (Bound<K>, Bound<K>) {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

/// Constructors of a query for one key: with serdes given, and with the types' own.
macro_rules! of_key {
    ($query:ident { $($field:ident: $value:expr),* }) => {
        impl<K, V> $query<K, V> {
            /// About `key`, with these serdes.
            pub fn of(key: K, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
                Self {
                    key,
                    $($field: $value,)*
                    serdes: Serdes { keys, values },
                }
            }
        }

        impl<K: DefaultSerde, V: DefaultSerde> $query<K, V> {
            /// About `key`, with the types' own serdes.
            pub fn with_key(key: K) -> Self {
                Self::of(key, K::default_serde(), V::default_serde())
            }
        }
    };
}

macro_rules! key_query {
    ($(#[$doc:meta])* $query:ident, $row:ty, $read:ident) => {
        $(#[$doc])*
        pub struct $query<K, V> {
            key: K,
            skip_cache: bool,
            serdes: Serdes<K, V>,
        }

        of_key!($query { skip_cache: false });

        impl<K, V> $query<K, V> {
            /// Reads below the record cache: what was flushed last.
            #[must_use]
            pub const fn skip_cache(mut self) -> Self {
                self.skip_cache = true;
                self
            }
        }

        impl<K, V> Query for $query<K, V> {
            type Row = $row;

            fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
                Ok(StoreQuery::Key {
                    key: self.serdes.key(store, &self.key)?,
                    skip_cache: self.skip_cache,
                })
            }

            fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
                self.serdes.$read(store, &row)
            }
        }
    };
}

key_query!(
    /// The value of a key (Java: `KeyQuery`).
    KeyQuery,
    V,
    read_value
);

key_query!(
    /// The value of a key and its timestamp (Java: `TimestampedKeyQuery`).
    TimestampedKeyQuery,
    ValueAndTimestamp<V>,
    read_timestamped
);

macro_rules! range_query {
    ($(#[$doc:meta])* $query:ident, $row:ty, $read:ident) => {
        $(#[$doc])*
        pub struct $query<K, V> {
            keys: (Bound<K>, Bound<K>),
            order: ResultOrder,
            serdes: Serdes<K, V>,
        }

        impl<K: Clone, V> $query<K, V> {
            /// The rows of the keys in `range` (Java's bounds are inclusive: `from..=to`), with
            /// these serdes; keys are compared by their bytes.
            pub fn of(
                range: impl RangeBounds<K>,
                keys: SerdeRef<K>,
                values: SerdeRef<V>,
            ) -> Self {
                Self {
                    keys: owned(range),
                    order: ResultOrder::Any,
                    serdes: Serdes { keys, values },
                }
            }
        }

        impl<K: DefaultSerde + Clone, V: DefaultSerde> $query<K, V> {
            /// The rows of the keys in `range` (Java's bounds are inclusive: `from..=to`), with the
            /// types' own serdes; keys are compared by their bytes.
            pub fn with_range(range: impl RangeBounds<K>) -> Self {
                Self::of(range, K::default_serde(), V::default_serde())
            }
        }

        impl<K, V> $query<K, V> {
            /// In this order.
            #[must_use]
            pub const fn with_order(mut self, order: ResultOrder) -> Self {
                self.order = order;
                self
            }
        }

        impl<K, V> Query for $query<K, V> {
            type Row = (K, $row);

            fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
                let (from, to) = self.serdes.bounds(store, &self.keys)?;
                Ok(StoreQuery::Range {
                    from,
                    to,
                    direction: self.order.direction(),
                    skip_cache: false,
                })
            }

            fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
                let value = self.serdes.$read(store, &row)?;
                Ok((self.serdes.read_key(store, &row)?, value))
            }
        }
    };
}

range_query!(
    /// The values of a range of keys (Java: `RangeQuery`).
    RangeQuery,
    V,
    read_value
);

range_query!(
    /// The values of a range of keys and their timestamps (Java: `TimestampedRangeQuery`).
    TimestampedRangeQuery,
    ValueAndTimestamp<V>,
    read_timestamped
);

/// The windows of a key that start in a stretch of time, by their start (Java: `WindowKeyQuery`).
pub struct WindowKeyQuery<K, V> {
    key: K,
    time_from: i64,
    time_to: i64,
    serdes: Serdes<K, V>,
}

of_key!(WindowKeyQuery {
    time_from: i64::MIN,
    time_to: i64::MAX
});

impl<K, V> WindowKeyQuery<K, V> {
    /// The windows that start from `time_from` to `time_to`, both included.
    #[must_use]
    pub const fn with_window_start_range(mut self, time_from: i64, time_to: i64) -> Self {
        (self.time_from, self.time_to) = (time_from, time_to);
        self
    }
}

impl<K, V> Query for WindowKeyQuery<K, V> {
    type Row = (i64, V);

    fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
        let key = self.serdes.key(store, &self.key)?;
        Ok(StoreQuery::Windows {
            keys: (Bound::Included(key.clone()), Bound::Included(key)),
            time_from: self.time_from,
            time_to: self.time_to,
            direction: Direction::Forward,
            skip_cache: false,
        })
    }

    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
        Ok((row.position.time, self.serdes.read_value(store, &row)?))
    }
}

/// The windows of all keys that start in a stretch of time (Java: `WindowRangeQuery` of window
/// stores).
pub struct WindowRangeQuery<K, V> {
    time_from: i64,
    time_to: i64,
    serdes: Serdes<K, V>,
}

impl<K, V> WindowRangeQuery<K, V> {
    /// The windows that start from `time_from` to `time_to`, both included, with these serdes.
    pub fn of(time_from: i64, time_to: i64, keys: SerdeRef<K>, values: SerdeRef<V>) -> Self {
        Self {
            time_from,
            time_to,
            serdes: Serdes { keys, values },
        }
    }
}

impl<K: DefaultSerde, V: DefaultSerde> WindowRangeQuery<K, V> {
    /// The windows that start from `time_from` to `time_to`, both included, with the types' own
    /// serdes.
    pub fn with_window_start_range(time_from: i64, time_to: i64) -> Self {
        Self::of(time_from, time_to, K::default_serde(), V::default_serde())
    }
}

impl<K, V> Query for WindowRangeQuery<K, V> {
    type Row = (Windowed<K>, V);

    fn request(&self, _: &str) -> Result<StoreQuery, QueryFailure> {
        Ok(StoreQuery::Windows {
            keys: (Bound::Unbounded, Bound::Unbounded),
            time_from: self.time_from,
            time_to: self.time_to,
            direction: Direction::Forward,
            skip_cache: false,
        })
    }

    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
        let key = self.serdes.read_windowed(store, &row)?;
        Ok((key, self.serdes.read_value(store, &row)?))
    }
}

/// The sessions of a key (Java: `WindowRangeQuery.withKey` of session stores).
pub struct SessionRangeQuery<K, V> {
    key: K,
    serdes: Serdes<K, V>,
}

of_key!(SessionRangeQuery {});

impl<K, V> Query for SessionRangeQuery<K, V> {
    type Row = (Windowed<K>, V);

    fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
        let key = self.serdes.key(store, &self.key)?;
        Ok(StoreQuery::Sessions {
            keys: (Bound::Included(key.clone()), Bound::Included(key)),
            earliest_end: 0,
            latest_start: i64::MAX,
            direction: Direction::Forward,
            skip_cache: false,
        })
    }

    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
        let key = self.serdes.read_windowed(store, &row)?;
        Ok((key, self.serdes.read_value(store, &row)?))
    }
}

fn read_version<K, V>(
    serdes: &Serdes<K, V>,
    store: &str,
    row: &QueryRow,
) -> Result<VersionedRecord<V>, QueryFailure> {
    Ok(VersionedRecord {
        value: serdes.read_value(store, row)?,
        timestamp: row.position.time,
        valid_to: row.valid_to,
    })
}

/// The version of a key that is valid, now or at a time (Java: `VersionedKeyQuery`).
pub struct VersionedKeyQuery<K, V> {
    key: K,
    as_of: Option<i64>,
    serdes: Serdes<K, V>,
}

of_key!(VersionedKeyQuery { as_of: None });

impl<K, V> VersionedKeyQuery<K, V> {
    /// The version that was valid at `as_of` milliseconds.
    #[must_use]
    pub const fn as_of(mut self, as_of: i64) -> Self {
        self.as_of = Some(as_of);
        self
    }
}

impl<K, V> Query for VersionedKeyQuery<K, V> {
    type Row = VersionedRecord<V>;

    fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
        Ok(StoreQuery::VersionAsOf {
            key: self.serdes.key(store, &self.key)?,
            as_of: self.as_of.unwrap_or(i64::MAX),
        })
    }

    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
        read_version(&self.serdes, store, &row)
    }
}

/// The versions of a key that were valid in a stretch of time (Java: `MultiVersionedKeyQuery`).
pub struct MultiVersionedKeyQuery<K, V> {
    key: K,
    from: i64,
    to: i64,
    order: ResultOrder,
    serdes: Serdes<K, V>,
}

of_key!(MultiVersionedKeyQuery {
    from: i64::MIN,
    to: i64::MAX,
    order: ResultOrder::Any
});

impl<K, V> MultiVersionedKeyQuery<K, V> {
    /// Those that were valid at `from` milliseconds or later.
    #[must_use]
    pub const fn from_time(mut self, from: i64) -> Self {
        self.from = from;
        self
    }

    /// Those that were valid at `to` milliseconds or earlier.
    #[must_use]
    pub const fn to_time(mut self, to: i64) -> Self {
        self.to = to;
        self
    }

    /// In this order of their timestamps.
    #[must_use]
    pub const fn with_order(mut self, order: ResultOrder) -> Self {
        self.order = order;
        self
    }
}

impl<K, V> Query for MultiVersionedKeyQuery<K, V> {
    type Row = VersionedRecord<V>;

    fn request(&self, store: &str) -> Result<StoreQuery, QueryFailure> {
        Ok(StoreQuery::Versions {
            key: self.serdes.key(store, &self.key)?,
            from: self.from,
            to: self.to,
            direction: match self.order {
                ResultOrder::Ascending => Direction::Forward,
                ResultOrder::Any | ResultOrder::Descending => Direction::Backward,
            },
        })
    }

    fn read(&self, store: &str, row: QueryRow) -> Result<Self::Row, QueryFailure> {
        read_version(&self.serdes, store, &row)
    }
}
