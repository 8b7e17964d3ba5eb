//! The calls that join two streams.

use std::sync::Arc;

use super::super::outcome::Outcome;
use super::super::stream::KStream;
use super::joined_streams::{JoinedStreams, Outer};
use super::{JoinWindows, Joiner, StreamJoined, inner, left};
use crate::serde::{DefaultSerde, SerdeRef};

/// Joins with another stream.
///
/// Records join that have the same key and timestamps within `windows` of each other. Those with a
/// null key or value do not take part, but for null keys on an outer side (KIP-962). A result has
/// the later timestamp of the two.
impl<K: Clone + 'static, V: Clone + 'static> KStream<K, V> {
    /// Every two records that join, as `joiner` combines them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use eddyline_core::dsl::{JoinWindows, StreamsBuilder};
    ///
    /// let builder = StreamsBuilder::new();
    /// let orders = builder.stream::<String, String>("orders");
    /// let payments = builder.stream::<String, i64>("payments");
    /// let within = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(60));
    /// orders
    ///     .join(&payments, |order, cents| format!("{order} paid with {cents}"), within)
    ///     .to("paid");
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn join<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(V, V2) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_with_key(other, move |_, left, right| joiner(left, right), windows)
    }

    /// [`join`](Self::join) with a joiner that sees the key.
    pub fn join_with_key<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, V, V2) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_with(other, joiner, windows, self.joined_with(other))
    }

    /// [`join_with_key`](Self::join_with_key) that is told names, serdes and stores.
    pub fn join_with<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, V, V2) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<K, V, V2>,
    ) -> KStream<K, VR>
    where
        V2: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_streams(other, Outer::NONE, inner(joiner), windows, joined)
    }

    /// Every record of this stream with those of the other one that join it, and alone once nothing
    /// can join it any more. Those are looked for as time goes on with further records, and no more
    /// than once a second.
    pub fn left_join<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(V, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_with_key(other, move |_, left, right| joiner(left, right), windows)
    }

    /// [`left_join`](Self::left_join) with a joiner that sees the key.
    pub fn left_join_with_key<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, V, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.left_join_with(other, joiner, windows, self.joined_with(other))
    }

    /// [`left_join_with_key`](Self::left_join_with_key) that is told names, serdes and stores.
    pub fn left_join_with<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, V, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<K, V, V2>,
    ) -> KStream<K, VR>
    where
        V2: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.join_streams(other, Outer::LEFT, left(joiner), windows, joined)
    }

    /// Every two records that join, and every record of either stream alone once nothing can join
    /// it any more: see [`left_join`](Self::left_join). At least one of the joiner's values is there.
    pub fn outer_join<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(Option<V>, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.outer_join_with_key(other, move |_, left, right| joiner(left, right), windows)
    }

    /// [`outer_join`](Self::outer_join) with a joiner that sees the key.
    pub fn outer_join_with_key<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, Option<V>, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
    ) -> KStream<K, VR>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        self.outer_join_with(other, joiner, windows, self.joined_with(other))
    }

    /// [`outer_join_with_key`](Self::outer_join_with_key) that is told names, serdes and stores.
    pub fn outer_join_with<V2, VR, R>(
        &self,
        other: &KStream<K, V2>,
        joiner: impl Fn(&K, Option<V>, Option<V2>) -> R + Send + Sync + 'static,
        windows: JoinWindows,
        joined: StreamJoined<K, V, V2>,
    ) -> KStream<K, VR>
    where
        V2: Clone + 'static,
        VR: Clone + 'static,
        R: Outcome<VR>,
    {
        let joiner = move |key: &K, left: Option<V>, right: Option<V2>| {
            joiner(key, left, right).into_result().map(Some)
        };
        self.join_streams(other, Outer::BOTH, joiner, windows, joined)
    }

    /// With the serdes of both streams, the types' own where they were not told.
    fn joined_with<V2>(&self, other: &KStream<K, V2>) -> StreamJoined<K, V, V2>
    where
        K: DefaultSerde,
        V: DefaultSerde,
        V2: DefaultSerde + Clone + 'static,
    {
        StreamJoined::with(
            self.key_serde().unwrap_or_else(K::default_serde),
            self.value_serde().unwrap_or_else(V::default_serde),
            other.value_serde().unwrap_or_else(V2::default_serde),
        )
    }

    /// Java's `KStreamImpl.doJoin`.
    fn join_streams<V2, J>(
        &self,
        other: &KStream<K, V2>,
        outer: Outer,
        joiner: J,
        windows: JoinWindows,
        joined: StreamJoined<K, V, V2>,
    ) -> KStream<K, J::Joined>
    where
        V2: Clone + 'static,
        J: Joiner<K, V, V2>,
    {
        let given = joined.name.clone();
        let given = given.or_else(|| self.next_name().map(str::to_owned));
        let (keys, values) = (Arc::clone(&joined.keys), Arc::clone(&joined.values));
        let left = self.moved_for_join(given.as_deref(), "-left", (keys, values));
        let (keys, values) = (Arc::clone(&joined.keys), Arc::clone(&joined.other_values));
        let other = other.within(self.builder());
        let right = other.moved_for_join(given.as_deref(), "-right", (keys, values));
        let keys = Arc::clone(&joined.keys);
        let mut graph = self.builder().graph.borrow_mut();
        let sources = graph.copartition(left.sources(), &[right.sources()]);
        let join = JoinedStreams::new(&mut graph, given.as_deref(), outer, windows, joined);
        let node = join.add(&mut graph, (left.node(), right.node()), joiner);
        drop(graph);
        KStream::new(self.builder().clone(), node, sources, false).with_serdes(Some(keys), None)
    }

    /// This stream behind a repartition topic, if its keys changed.
    pub(super) fn moved_for_join(
        &self,
        given: Option<&str>,
        suffix: &str,
        (keys, values): (SerdeRef<K>, SerdeRef<V>),
    ) -> Self {
        if !self.repartition_required() {
            return self.clone();
        }
        let prefix = match given {
            Some(given) => format!("{given}{suffix}"),
            None => self.builder().graph.borrow().name(self.node()).to_string(),
        };
        self.repartition_for_join(&prefix, keys, values)
    }
}
