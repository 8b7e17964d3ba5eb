//! Splitting a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::graph::{GraphNode, GraphNodeId};
use super::operators::Pass;
use super::outcome::Outcome;
use super::stream::KStream;
use crate::processor::{Processor, ProcessorContext, ProcessorError, Record};

/// A stream that is being split: every record goes to the first branch that takes it (Java:
/// `BranchedKStream`).
///
/// ```
/// use eddyline_core::dsl::StreamsBuilder;
///
/// let builder = StreamsBuilder::new();
/// let numbers = builder.stream::<Option<String>, i64>("numbers");
/// let mut split = numbers.split();
/// split.branch(|_, number| *number < 0).to("negative");
/// split.branch(|_, number| number % 2 == 0).to("even");
/// split.default_branch().to("odd");
/// assert!(builder.build().is_ok());
/// ```
#[must_use = "records go nowhere until there are branches"]
pub struct BranchedKStream<K, V> {
    stream: KStream<K, V>,
    node: GraphNodeId,
    predicates: Predicates<K, V>,
}

type Predicate<K, V> = Arc<dyn Fn(&K, &V) -> Result<bool, ProcessorError> + Send + Sync>;
type Predicates<K, V> = Rc<RefCell<Vec<Predicate<K, V>>>>;

impl<K: Clone + 'static, V: Clone + 'static> BranchedKStream<K, V> {
    pub(super) fn new(stream: KStream<K, V>) -> Self {
        let predicates: Predicates<K, V> = Rc::default();
        let written = Rc::clone(&predicates);
        let (builder, parent) = (stream.builder().clone(), stream.node());
        let mut graph = builder.graph.borrow_mut();
        let name: Arc<str> = graph.name_or(stream.next_name(), "KSTREAM-BRANCH-").into();
        let own = Arc::clone(&name);
        let node = GraphNode::new(name, move |writer| {
            let predicates: Arc<[Predicate<K, V>]> = written.borrow().as_slice().into();
            let parents = writer.parents().to_vec();
            writer.add_processor(&own, &parents, move || Split(Arc::clone(&predicates)));
        });
        let node = graph.add(&[parent], node);
        drop(graph);
        Self {
            stream,
            node,
            predicates,
        }
    }

    /// The records for which `takes` holds and none of the branches before took.
    pub fn branch<R: Outcome<bool>>(
        &mut self,
        takes: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> KStream<K, V> {
        self.add(None, takes)
    }

    /// Like [`branch`](Self::branch), with a name that is put behind that of the split (Java:
    /// `Branched.as`).
    pub fn branch_named<R: Outcome<bool>>(
        &mut self,
        name: &str,
        takes: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> KStream<K, V> {
        self.add(Some(name), takes)
    }

    /// The records that no branch took; without it they are dropped.
    pub fn default_branch(self) -> KStream<K, V> {
        self.add_child("0")
    }

    /// Like [`default_branch`](Self::default_branch), with a name that is put behind that of the
    /// split.
    pub fn default_branch_named(self, name: &str) -> KStream<K, V> {
        self.add_child(name)
    }

    fn add<R: Outcome<bool>>(
        &mut self,
        name: Option<&str>,
        takes: impl Fn(&K, &V) -> R + Send + Sync + 'static,
    ) -> KStream<K, V> {
        let takes = move |key: &K, value: &V| takes(key, value).into_result();
        self.predicates.borrow_mut().push(Arc::new(takes));
        let number = self.predicates.borrow().len().to_string();
        self.add_child(name.unwrap_or(&number))
    }

    fn add_child(&self, suffix: &str) -> KStream<K, V> {
        let mut graph = self.stream.builder().graph.borrow_mut();
        let name = format!("{}{suffix}", graph.name(self.node));
        // Java draws a number that it does not use.
        graph.new_name("");
        let node = GraphNode::processor::<K, V, K, V, _>(name, || Pass);
        let node = graph.add(&[self.node], node);
        drop(graph);
        self.stream.same_at(node)
    }
}

/// Forwards to the child of the first predicate that holds, or to the one behind them all (Java:
/// `KStreamBranch`).
struct Split<K, V>(Arc<[Predicate<K, V>]>);

impl<K: Clone + 'static, V: Clone + 'static> Processor<K, V, K, V> for Split<K, V> {
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, V>,
        record: Record<K, V>,
    ) -> Result<(), ProcessorError> {
        let mut branch = self.0.len();
        for (at, takes) in self.0.iter().enumerate() {
            if takes(&record.key, &record.value)? {
                branch = at;
                break;
            }
        }
        let (task, node) = context.parts();
        task.forward_to_nth(node, branch, record)
    }
}
