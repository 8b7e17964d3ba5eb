//! Topologies of the Processor API.

use eddyline_core::topology::{Sink, Source, Topology, TopologyBuilder};
use serde_json::Value;

use super::sources::extractor;
use super::{Build, BuildError, function, name, nullable};
use crate::conformance::datum::{Datum, Key};
use crate::conformance::extractors::TopicFunction;
use crate::conformance::scripts::{Script, Scripted};
use crate::conformance::{text, texts};

impl Build {
    pub(super) fn processor_api(&mut self, operations: &[Value]) -> Result<Topology, BuildError> {
        let mut builder = TopologyBuilder::new();
        for op in operations {
            self.add(&mut builder, op)?;
        }
        Ok(builder.build()?)
    }

    fn add(&mut self, builder: &mut TopologyBuilder, op: &Value) -> Result<(), BuildError> {
        let node = text(op, "name").unwrap_or_default();
        let serde = |field| nullable::<Datum>(text(op, field).unwrap_or("string"));
        let serdes = || (serde("key_serde"), serde("value_serde"));
        let parents = texts(op, "parents");
        match name(op) {
            "add_source" => {
                self.input(op);
                let mut source = Source::new(texts(op, "topic"));
                if let Some(extractor) = extractor(op)? {
                    source = source.with_timestamp_extractor(extractor);
                }
                builder.add_source(node, source, serdes());
            }
            "add_processor" => {
                let script = Script::new(op, &self.shared)?;
                let supplier = move || Scripted::new(script.clone());
                builder.add_processor::<Key, Option<Datum>, _, _>(node, supplier, &parents);
            }
            "add_sink" => {
                let sink = match text(op, "topic") {
                    Some(topic) => Sink::topic(topic),
                    None => Sink::extracted(function(op, "topic_fn", TopicFunction::named)?),
                };
                builder.add_sink(node, sink, serdes(), &parents);
            }
            "add_store" => {
                let store = self.store(op)?;
                builder.add_state_store(store, &texts(op, "processors"));
            }
            _ => return Err(BuildError::missing(op)),
        }
        Ok(())
    }
}
