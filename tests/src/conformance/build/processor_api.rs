//! Topologies of the Processor API.

use eddyline_core::topology::{Topology, TopologyBuilder};
use serde_json::Value;

use super::{Build, BuildError, name, nullable};
use crate::conformance::datum::{Datum, Key};
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
                if op.get("timestamp_extractor").is_some() {
                    return Err(BuildError::unsupported("timestamp extractors"));
                }
                self.input(op);
                builder.add_source(node, &texts(op, "topic"), serdes());
            }
            "add_processor" => {
                let script = Script::new(op, &self.shared)?;
                let supplier = move || Scripted::new(script.clone());
                builder.add_processor::<Key, Option<Datum>, _, _>(node, supplier, &parents);
            }
            "add_sink" => match text(op, "topic") {
                Some(topic) => {
                    builder.add_sink(node, topic, serdes(), &parents);
                }
                None => return Err(BuildError::unsupported("topic name extractors")),
            },
            "add_store" => {
                let store = self.store(op)?;
                builder.add_state_store(store, &texts(op, "processors"));
            }
            _ => return Err(BuildError::missing(op)),
        }
        Ok(())
    }
}
