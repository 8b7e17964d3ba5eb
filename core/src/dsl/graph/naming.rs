//! Names of what outlives a topology (KIP-1111).

use super::StreamsGraph;
use crate::topology::{NodeKind, Topology, TopologyError};

/// Who names stores and internal topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dsl) enum Naming {
    /// The user or the counter.
    Any,
    /// The user: `ensure.explicit.internal.resource.naming`.
    Explicit,
}

impl StreamsGraph {
    /// Looks for stores and internal topics under generated names. Java looks at what operators are
    /// told, and so finds the names of stores too that no operator needs; those of foreign-key joins
    /// it does not find.
    pub(super) fn check_named(&self, topology: &Topology) -> Result<(), TopologyError> {
        let is_generated = |name: &str| {
            let of = |drawn: &String| {
                let rest = name.strip_prefix(drawn.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            self.generated.iter().any(of)
        };
        let stores = topology.stores().iter().map(|store| &*store.name);
        let stores: Vec<_> = stores.filter(|name| is_generated(name)).collect();
        let sources = topology.nodes().iter().flat_map(|node| match &node.kind {
            NodeKind::Source(topics) => topics.as_slice(),
            _ => &[],
        });
        let internal = sources.filter(|topic| topic.internal);
        let internal = internal.map(|topic| &*topic.name);
        let topics: Vec<_> = internal.filter(|name| is_generated(name)).collect();
        if stores.is_empty() && topics.is_empty() {
            return Ok(());
        }
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Err(TopologyError::UnnamedResources {
            stores: owned(stores),
            topics: owned(topics),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::StreamsConfig;
    use crate::dsl::{
        Grouped, JoinWindows, KStream, Materialized, StreamJoined, StreamsBuilder, TableJoined,
    };
    use crate::topology::TopologyError;

    type Words = KStream<Option<String>, String>;

    fn problem(define: impl Fn(&StreamsBuilder, &Words)) -> Option<(Vec<String>, Vec<String>)> {
        let config = StreamsConfig::new("app", "localhost:9092").expect("valid");
        let built = |config: &StreamsConfig| {
            let builder = StreamsBuilder::new();
            define(&builder, &builder.stream("words"));
            builder.build_with(config)
        };
        assert!(built(&config).is_ok());
        let key = "ensure.explicit.internal.resource.naming";
        match built(&config.set(key, "true").expect("valid")) {
            Ok(_) => None,
            Err(TopologyError::UnnamedResources { stores, topics }) => Some((stores, topics)),
            Err(other) => panic!("{other}"),
        }
    }

    fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(str::to_owned).to_vec()
    }

    #[test]
    fn stores_and_moved_topics_need_names() {
        let by_word = |grouped: Grouped<String, String>, counts: Materialized<String, i64>| {
            problem(move |_, words| {
                let words = words.group_by_with(|_, word| word.clone(), grouped.clone());
                words.count(counts.clone());
            })
        };
        let counts = || Materialized::as_store("counts");
        assert_eq!(by_word(Grouped::named("by-word"), counts()), None);
        let (stores, topics) =
            by_word(Grouped::default(), Materialized::default()).expect("not named");
        assert_eq!(stores, names(["KSTREAM-AGGREGATE-STATE-STORE-0000000002"]));
        assert_eq!(
            topics,
            names(["KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition"])
        );
        // Without a name of its own, the topic is called like the store.
        assert_eq!(by_word(Grouped::default(), counts()), None);
    }

    #[test]
    fn joins_need_names() {
        let windows = JoinWindows::of_time_difference_with_no_grace(Duration::from_secs(1));
        let joined = |joined: fn() -> StreamJoined<String, String, String>| {
            problem(move |builder, _| {
                let (left, right) = (builder.stream("left"), builder.stream("right"));
                left.join_with(&right, |_, a: String, _: String| a, windows, joined());
            })
        };
        let (stores, topics) = joined(StreamJoined::default).expect("not named");
        assert_eq!((stores.len(), topics.len()), (2, 0));
        assert_eq!(joined(|| StreamJoined::as_store("both")), None);

        let on_foreign_key = |joined: fn() -> TableJoined<String, String>| {
            problem(move |builder, _| {
                let orders = builder.table::<String, String>("orders", Materialized::as_store("o"));
                let names = builder.table::<String, String>("names", Materialized::as_store("n"));
                let name = |_: &String, order: &String| order.clone();
                let (join, stored) = (|_: String, name: String| name, Materialized::default());
                orders.join_on_foreign_key_with(&names, name, join, joined(), stored);
            })
        };
        let (stores, topics) = on_foreign_key(TableJoined::default).expect("not named");
        assert_eq!((stores.len(), topics.len()), (1, 2));
        assert_eq!(on_foreign_key(|| TableJoined::named("named")), None);
    }

    #[test]
    fn what_is_in_no_store_needs_no_name() {
        assert_eq!(
            problem(|builder, words| {
                let table = builder.table::<String, String>("table", Materialized::default());
                table.to_stream().to("out");
                words.map_values(|word| word.len() as i64).to("lengths");
            }),
            None
        );
    }
}
