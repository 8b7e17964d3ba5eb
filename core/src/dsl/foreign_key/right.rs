//! The processors of a foreign-key join next to its right table.

use std::marker::PhantomData;
use std::sync::Arc;

use super::subscription::{
    CombinedKey, Instruction, PrefixSerde, Subscription, SubscriptionResponse,
};
use crate::dsl::value_getter::{ValueGetter, View};
use crate::processor::{Change, Processor, ProcessorContext, ProcessorError, Record};
use crate::serde::SerdeRef;
use crate::state::{StateError, TimestampedKeyValueStoreWithHeaders, ValueTimestampHeaders};

/// The subscriptions to right rows, by foreign key.
type SubscriptionStore<KO, K> =
    TimestampedKeyValueStoreWithHeaders<CombinedKey<KO, K>, Subscription<K>>;

/// Keeps subscriptions (Java: `SubscriptionReceiveProcessorSupplier`).
pub(super) struct SubscriptionReceive<KO, K> {
    name: Arc<str>,
    store: usize,
    types: PhantomData<fn(KO, K)>,
}

impl<KO, K> SubscriptionReceive<KO, K> {
    pub(super) const fn new(name: Arc<str>) -> Self {
        Self {
            name,
            store: 0,
            types: PhantomData,
        }
    }
}

impl<KO, K> Processor<Option<KO>, Subscription<K>, Option<KO>, Subscription<K>>
    for SubscriptionReceive<KO, K>
where
    KO: Clone + 'static,
    K: Clone + 'static,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, Option<KO>, Subscription<K>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Option<KO>, Subscription<K>>,
        record: Record<Option<KO>, Subscription<K>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let Record {
            key,
            value: subscription,
            timestamp,
        } = record;
        let Some(foreign_key) = key else {
            // Without a key there is nothing to subscribe to, but a left join waits for an answer.
            if subscription.instruction != Instruction::PropagateNullIfNoFkValAvailable {
                task.drop_record("its foreign key is null");
                return Ok(());
            }
            return task.forward(node, Record::new(None::<KO>, subscription, timestamp));
        };
        let key = CombinedKey {
            foreign_key,
            primary_key: subscription.primary_key.clone(),
        };
        let row = match subscription.instruction {
            Instruction::DeleteKeyNoPropagate | Instruction::DeleteKeyAndPropagate => None,
            Instruction::PropagateNullIfNoFkValAvailable
            | Instruction::PropagateOnlyIfFkValAvailable => {
                let headers = task.context.headers.clone();
                let row = ValueTimestampHeaders::new(subscription.clone(), timestamp, headers);
                Some(row)
            }
        };
        task.with_store::<SubscriptionStore<KO, K>, _>(self.store, |store, context| {
            store.put(&key, row.as_ref(), context)
        })??;
        let record = Record::new(Some(key.foreign_key), subscription, timestamp);
        task.forward(node, record)
    }
}

/// Answers a subscription with the right row (Java: `SubscriptionJoinProcessorSupplier`).
pub(super) struct SubscriptionJoin<KO, K, VO> {
    rows: Box<dyn ValueGetter<KO, VO>>,
    types: PhantomData<fn(K)>,
}

impl<KO, K, VO> SubscriptionJoin<KO, K, VO> {
    pub(super) fn new(rows: &View<KO, VO>) -> Self {
        Self {
            rows: rows.getter(),
            types: PhantomData,
        }
    }
}

impl<KO, K, VO> Processor<Option<KO>, Subscription<K>, K, SubscriptionResponse<VO>>
    for SubscriptionJoin<KO, K, VO>
where
    KO: 'static,
    K: Clone + 'static,
    VO: Clone + 'static,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, SubscriptionResponse<VO>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.rows.init(task, node)
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, SubscriptionResponse<VO>>,
        record: Record<Option<KO>, Subscription<K>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let Record {
            key,
            value: subscription,
            timestamp,
        } = record;
        let right = match &key {
            Some(key) => self.rows.get(task, key)?,
            None => None,
        };
        // A result is as new as the newer of the two rows.
        let timestamp = right
            .as_ref()
            .map_or(timestamp, |right| right.timestamp.max(timestamp));
        let foreign_value = match (subscription.instruction, right) {
            (Instruction::DeleteKeyNoPropagate, _)
            | (Instruction::PropagateOnlyIfFkValAvailable, None) => return Ok(()),
            (Instruction::DeleteKeyAndPropagate, _) => None,
            (_, right) => right.map(|right| right.value),
        };
        let response = SubscriptionResponse {
            hash: subscription.hash,
            foreign_value,
            primary_partition: subscription.primary_partition,
        };
        task.forward(
            node,
            Record::new(subscription.primary_key, response, timestamp),
        )
    }

    fn close(&mut self) {
        self.rows.close();
    }
}

/// Tells all subscribers of a right row that it has changed (Java:
/// `ForeignTableJoinProcessorSupplier`).
pub(super) struct ForeignTableJoin<KO, K, VO> {
    name: Arc<str>,
    store: usize,
    prefixes: PrefixSerde<KO>,
    /// Changes that are not the latest of their row are dropped (KIP-914).
    is_versioned: bool,
    types: PhantomData<fn(K, VO)>,
}

impl<KO, K, VO> ForeignTableJoin<KO, K, VO> {
    pub(super) const fn new(
        name: Arc<str>,
        foreign_keys: SerdeRef<KO>,
        is_versioned: bool,
    ) -> Self {
        Self {
            name,
            store: 0,
            prefixes: PrefixSerde { foreign_keys },
            is_versioned,
            types: PhantomData,
        }
    }
}

impl<KO, K, VO> Processor<KO, Change<VO>, K, SubscriptionResponse<VO>>
    for ForeignTableJoin<KO, K, VO>
where
    KO: 'static,
    K: Clone + 'static,
    VO: Clone + 'static,
{
    fn init(
        &mut self,
        context: &mut ProcessorContext<'_, K, SubscriptionResponse<VO>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        self.store = task.store_index(node, &self.name)?;
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, K, SubscriptionResponse<VO>>,
        record: Record<KO, Change<VO>>,
    ) -> Result<(), ProcessorError> {
        let (task, node) = context.parts();
        let Record {
            key,
            value: change,
            timestamp,
        } = record;
        if self.is_versioned && !change.is_latest {
            task.drop_record("it is out of order, and tables are joined as they are now");
            return Ok(());
        }
        let prefixes = &self.prefixes;
        let read = |store: &mut SubscriptionStore<KO, K>, _: &_| -> Result<Vec<_>, StateError> {
            let rows = store.prefix_scan(&key, prefixes)?;
            rows.map(|row| Ok(row?.1.value)).collect()
        };
        let subscriptions = task.with_store(self.store, read)??;
        for subscription in subscriptions {
            let response = SubscriptionResponse {
                hash: subscription.hash,
                foreign_value: change.new.clone(),
                primary_partition: subscription.primary_partition,
            };
            let record = Record::new(subscription.primary_key, response, timestamp);
            task.forward(node, record)?;
        }
        Ok(())
    }
}
