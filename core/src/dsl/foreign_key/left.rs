//! The processors of a foreign-key join next to its left table.

use std::marker::PhantomData;
use std::sync::Arc;

use super::hash::{Hash, hash128};
use super::subscription::{Instruction, Subscription, SubscriptionResponse};
use crate::dsl::outcome::RowResult;
use crate::dsl::value_getter::{ValueGetter, View};
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record, TaskContext};
use crate::serde::SerdeRef;

/// The hash of a left value, over the bytes its serde gives for the topic that Java names.
struct ValueHash<V> {
    values: SerdeRef<V>,
    /// The registration topic, without the application id.
    registration_topic: Arc<str>,
    topic: String,
    bytes: Vec<u8>,
}

impl<V> ValueHash<V> {
    fn new(values: SerdeRef<V>, registration_topic: Arc<str>) -> Self {
        Self {
            values,
            registration_topic,
            topic: String::new(),
            bytes: Vec::new(),
        }
    }

    fn init(&mut self, task: &TaskContext) {
        let registration_topic = &self.registration_topic;
        self.topic = format!("{}-{registration_topic}-vh", task.config.application_id());
    }

    fn of(&mut self, value: &V) -> Result<Hash, ProcessorError> {
        self.bytes.clear();
        self.values.serialize(&self.topic, value, &mut self.bytes)?;
        Ok(hash128(&self.bytes))
    }
}

/// Subscribes left rows to right ones (Java: `SubscriptionSendProcessorSupplier`).
pub(super) struct SubscriptionSend<K, V, KO, F> {
    extract: Arc<F>,
    foreign_keys: SerdeRef<KO>,
    hash: ValueHash<V>,
    is_left: bool,
    /// Changes that are not the latest of their row are dropped (KIP-914).
    is_versioned: bool,
    types: PhantomData<fn(K)>,
}

impl<K, V, KO, F> SubscriptionSend<K, V, KO, F> {
    pub(super) fn new(
        extract: Arc<F>,
        (foreign_keys, values): (SerdeRef<KO>, SerdeRef<V>),
        registration_topic: Arc<str>,
        is_left: bool,
        is_versioned: bool,
    ) -> Self {
        Self {
            extract,
            foreign_keys,
            hash: ValueHash::new(values, registration_topic),
            is_left,
            is_versioned,
            types: PhantomData,
        }
    }

    /// True when the bytes of the two differ: keys need no equality.
    fn differ(&self, a: Option<&KO>, b: &KO) -> Result<bool, ProcessorError> {
        let Some(a) = a else { return Ok(true) };
        let registration_topic = &self.hash.registration_topic;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.foreign_keys
            .serialize(registration_topic, a, &mut left)?;
        self.foreign_keys
            .serialize(registration_topic, b, &mut right)?;
        Ok(left != right)
    }
}

/// What is said to which foreign keys, in order: at most two of them.
type Messages<KO> = [Option<(Option<KO>, Instruction)>; 2];

impl<K, V, KO, F> SubscriptionSend<K, V, KO, F>
where
    F: Fn(&K, &V) -> RowResult<KO>,
{
    fn foreign_key(&self, key: &K, value: Option<&V>) -> RowResult<KO> {
        let Some(value) = value else { return Ok(None) };
        let foreign_key = (self.extract)(key, value)?;
        Ok(foreign_key.filter(|foreign_key| !self.foreign_keys.is_null(foreign_key)))
    }

    /// A left join wants an answer to every change, and one that has no foreign key gets it from
    /// the right side all the same.
    fn left_messages(&self, key: &K, change: &Change<V>) -> Result<Messages<KO>, ProcessorError> {
        if change.old.is_none() && change.new.is_none() {
            return Ok([None, None]);
        }
        let old = self.foreign_key(key, change.old.as_ref())?;
        let new = self.foreign_key(key, change.new.as_ref())?;
        let unsubscribe = match old {
            Some(old) if self.differ(new.as_ref(), &old)? => {
                Some((Some(old), Instruction::DeleteKeyNoPropagate))
            }
            _ => None,
        };
        let subscribe = (new, Instruction::PropagateNullIfNoFkValAvailable);
        Ok([unsubscribe, Some(subscribe)])
    }

    /// An inner join needs null as an answer where a result may be there already.
    fn inner_messages(
        &self,
        task: &mut TaskContext,
        key: &K,
        change: &Change<V>,
    ) -> Result<Messages<KO>, ProcessorError> {
        let old = self.foreign_key(key, change.old.as_ref())?;
        let new = self.foreign_key(key, change.new.as_ref())?;
        if change.new.is_some() && new.is_none() {
            task.drop_record("its foreign key is null, which an inner join does not take");
        }
        Ok(match (new, old) {
            (None, None) => [None, None],
            (None, Some(old)) => [Some((Some(old), Instruction::DeleteKeyAndPropagate)), None],
            (Some(new), Some(old)) if self.differ(Some(&new), &old)? => [
                Some((Some(old), Instruction::DeleteKeyNoPropagate)),
                Some((Some(new), Instruction::PropagateNullIfNoFkValAvailable)),
            ],
            (Some(new), _) => [
                Some((Some(new), Instruction::PropagateOnlyIfFkValAvailable)),
                None,
            ],
        })
    }
}

impl<K, V, KO, F> Processor<K, Change<V>, Option<KO>, Subscription<K>>
    for SubscriptionSend<K, V, KO, F>
where
    K: Clone + 'static,
    V: 'static,
    KO: Clone + 'static,
    F: Fn(&K, &V) -> RowResult<KO>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Option<KO>, Subscription<K>>,
    ) -> Result<(), ProcessorError> {
        self.hash.init(context.parts().0);
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Option<KO>, Subscription<K>>,
        record: Record<K, Change<V>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        let (task, _) = context.parts();
        if self.is_versioned && !change.is_latest {
            task.drop_record("it is out of order, and tables are joined as they are now");
            return Ok(());
        }
        let messages = if self.is_left {
            self.left_messages(&key, &change)?
        } else {
            self.inner_messages(task, &key, &change)?
        };
        let primary_partition = Some(task.context.partition);
        let mut hash = None;
        for (foreign_key, instruction) in messages.into_iter().flatten() {
            if hash.is_none() {
                hash = change
                    .new
                    .as_ref()
                    .map(|new| self.hash.of(new))
                    .transpose()?;
            }
            let subscription = Subscription {
                hash,
                instruction,
                primary_key: key.clone(),
                primary_partition,
            };
            context.forward(Record::new(foreign_key, subscription, timestamp))?;
        }
        Ok(())
    }
}

/// Joins answers with the left rows they were made for (Java: `ResponseJoinProcessorSupplier`).
pub(super) struct ResponseJoin<K, V, VO, R, F> {
    rows: Box<dyn ValueGetter<K, V>>,
    hash: ValueHash<V>,
    join: Arc<F>,
    is_left: bool,
    types: PhantomData<fn(VO) -> R>,
}

impl<K, V, VO, R, F> ResponseJoin<K, V, VO, R, F> {
    pub(super) fn new(
        rows: &View<K, V>,
        values: SerdeRef<V>,
        registration_topic: Arc<str>,
        join: Arc<F>,
        is_left: bool,
    ) -> Self {
        Self {
            rows: rows.getter(),
            hash: ValueHash::new(values, registration_topic),
            join,
            is_left,
            types: PhantomData,
        }
    }
}

impl<K, V, VO, R, F> Processor<K, SubscriptionResponse<VO>, K, Option<R>>
    for ResponseJoin<K, V, VO, R, F>
where
    K: Clone + 'static,
    V: 'static,
    VO: 'static,
    R: Clone + 'static,
    F: Fn(V, Option<VO>) -> RowResult<R>,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, Option<R>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.hash.init(task);
        self.rows.init(task, node)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, Option<R>>,
        record: Record<K, SubscriptionResponse<VO>>,
    ) -> Result<(), ProcessorError> {
        let Record {
            key,
            value: response,
            timestamp,
        } = record;
        let (task, node) = context.parts();
        let left = self.rows.get(task, &key)?.map(|row| row.value);
        let hash = left.as_ref().map(|left| self.hash.of(left)).transpose()?;
        if hash != response.hash {
            task.drop_record("it answers a left row that has changed since");
            return Ok(());
        }
        let value = match (left, response.foreign_value) {
            (Some(left), right) if right.is_some() || self.is_left => (self.join)(left, right)?,
            _ => None,
        };
        task.forward(node, Record::new(key, value, timestamp))
    }

    fn close(&mut self) {
        self.rows.close();
    }
}
