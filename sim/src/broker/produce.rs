//! Produce (API 0) and InitProducerId (API 22).

use eddyline_core::types::BrokerId;
use eddyline_core::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use eddyline_core::wire::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use eddyline_core::wire::messages::{
    self, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
};
use eddyline_core::wire::{self, Compression, RecordBatch, Response};

use super::fetch::is_wrong_leader;
use super::log::Appended;
use super::topics::TopicRef;
use super::{Broker, Handled, codes};

/// Produce names topics by id from this version on.
const IDS_FROM: i16 = 13;
/// Producers of this version on need not tell beforehand where a transaction writes (KIP-890).
const TRANSACTIONS_FROM: i16 = 12;
/// Produce answers carry the current leader of a partition from this version on (KIP-951).
const LEADERS_FROM: i16 = 10;

impl Broker {
    pub(super) fn produce(
        &mut self,
        node: BrokerId,
        version: i16,
        request: &ProduceRequest,
    ) -> Handled {
        let mut leaders_named = false;
        let mut topics = Vec::with_capacity(request.topic_data.len());
        for topic in &request.topic_data {
            let mut partitions = Vec::with_capacity(topic.partition_data.len());
            for data in &topic.partition_data {
                let mut response = if (-1..=1).contains(&request.acks) {
                    let id = request.transactional_id.as_ref().map(|id| id.0.as_str());
                    self.produce_partition(node, version, id, topic, data)
                } else {
                    failure(data.index, codes::INVALID_REQUIRED_ACKS, None)
                };
                if version >= LEADERS_FROM && is_wrong_leader(response.error_code) {
                    response.current_leader = self.produce_leader(version, topic, data.index);
                    leaders_named = true;
                }
                partitions.push(response);
            }
            topics.push(
                TopicProduceResponse::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(topic.topic_id)
                    .with_partition_responses(partitions),
            );
        }
        if request.acks == 0 {
            return self.unacknowledged(&topics);
        }
        let mut response = ProduceResponse::default().with_responses(topics);
        if leaders_named {
            response.node_endpoints = self.produce_endpoints();
        }
        Handled::Answer(Response::Produce(response))
    }

    /// Nobody waits for an answer: an error closes the connection instead, as in Kafka.
    fn unacknowledged(&mut self, topics: &[TopicProduceResponse]) -> Handled {
        let responses = topics.iter().flat_map(|topic| &topic.partition_responses);
        match responses
            .map(|r| r.error_code)
            .find(|&code| code != codes::NONE)
        {
            None => Handled::Silent,
            Some(code) => Handled::Close(format!(
                "a produce request without acknowledgement failed: {}",
                wire::error_name(code)
            )),
        }
    }

    fn produce_partition(
        &mut self,
        node: BrokerId,
        version: i16,
        transactional_id: Option<&str>,
        topic: &TopicProduceData,
        data: &PartitionProduceData,
    ) -> PartitionProduceResponse {
        let name = topic.name.0.as_str();
        let key = TopicRef::new(topic.topic_id, name, version, IDS_FROM);
        let max_batch_bytes = self.config.max_batch_bytes;
        let Some(known) = self.topics.resolve(&key) else {
            return failure(data.index, key.unknown(), None);
        };
        let topic_name = known.name.clone();
        let Some(partition) = known.partition(data.index) else {
            return failure(data.index, codes::UNKNOWN_TOPIC_OR_PARTITION, None);
        };
        if let Err(code) = partition.check_leader(node, -1) {
            return failure(data.index, code, None);
        }
        let batch = match check_records(data, max_batch_bytes) {
            Ok(batch) => batch,
            Err((code, reason)) => return failure(data.index, code, Some(reason)),
        };
        if batch.header().is_transactional {
            let identity = (batch.header().producer_id, batch.header().producer_epoch);
            let (topic, index) = (&topic_name, data.index);
            let touched = match transactional_id {
                Some(id) if version >= TRANSACTIONS_FROM => {
                    self.touch_partition(id, identity, topic, index)
                }
                Some(id) => self.check_partition_added(id, identity, topic, index),
                None => Err(codes::INVALID_TXN_STATE),
            };
            if let Err(code) = touched {
                return failure(data.index, code, None);
            }
        }
        let partition = self.topics.by_name_mut(&topic_name);
        let Some(partition) = partition.and_then(|topic| topic.partition_mut(data.index)) else {
            return failure(data.index, codes::UNKNOWN_TOPIC_OR_PARTITION, None);
        };
        match partition.log.append(&batch, partition.leader_epoch) {
            Err(code) => failure(data.index, code, None),
            Ok(Appended {
                base_offset,
                duplicate,
            }) => {
                if !duplicate {
                    self.woken.append(&mut partition.waiters);
                }
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_base_offset(base_offset)
                    .with_log_append_time_ms(-1)
                    .with_log_start_offset(partition.log.start_offset())
            }
        }
    }

    fn produce_leader(
        &self,
        version: i16,
        topic: &TopicProduceData,
        index: i32,
    ) -> LeaderIdAndEpoch {
        let name = topic.name.0.as_str();
        let key = TopicRef::new(topic.topic_id, name, version, IDS_FROM);
        let known = self.topics.resolve(&key);
        let Some(partition) = known.and_then(|topic| topic.partition(index)) else {
            return LeaderIdAndEpoch::default();
        };
        LeaderIdAndEpoch::default()
            .with_leader_id(messages::BrokerId(partition.leader.map_or(-1, |id| id.0)))
            .with_leader_epoch(partition.leader_epoch)
    }

    fn produce_endpoints(&self) -> Vec<NodeEndpoint> {
        self.alive_nodes()
            .map(|node| {
                NodeEndpoint::default()
                    .with_node_id(messages::BrokerId(node.id.0))
                    .with_host(node.host.clone().into())
                    .with_port(i32::from(node.port))
            })
            .collect()
    }

    /// Ids for idempotent producers, and for transactional ones.
    pub(super) fn init_producer_id(
        &mut self,
        client_id: &str,
        request: &InitProducerIdRequest,
    ) -> Response {
        if let Some(id) = &request.transactional_id {
            return self.init_transactional_producer(client_id, id, request);
        }
        let id = self.new_producer(client_id);
        Response::InitProducerId(
            InitProducerIdResponse::default()
                .with_producer_id(messages::ProducerId(id))
                .with_producer_epoch(0),
        )
    }
}

/// A produce request carries exactly one sound batch per partition.
fn check_records(data: &PartitionProduceData, max: usize) -> Result<RecordBatch, (i16, String)> {
    let Some(records) = data.records.clone().filter(|records| !records.is_empty()) else {
        let reason = "Produce requests must have exactly one record batch";
        return Err((codes::INVALID_RECORD, reason.to_owned()));
    };
    let length = records.len();
    let batches = wire::decode_batches(records).map_err(|error| {
        // Only CORRUPT_MESSAGE makes producers try again; the batch itself does not get better.
        let code = match error {
            wire::RecordError::Corrupt { .. } => codes::CORRUPT_MESSAGE,
            wire::RecordError::CodecMissing(_) => codes::UNSUPPORTED_COMPRESSION_TYPE,
            _ => codes::INVALID_RECORD,
        };
        (code, error.to_string())
    })?;
    let mut batches = batches.into_iter();
    let (Some(batch), None) = (batches.next(), batches.next()) else {
        let reason = "Produce requests must have exactly one record batch";
        return Err((codes::INVALID_RECORD, reason.to_owned()));
    };
    if batch.size_bytes() != length {
        let reason = "The record batch is cut off".to_owned();
        return Err((codes::CORRUPT_MESSAGE, reason));
    }
    if length > max {
        let reason =
            format!("The record batch has {length} bytes, more than message.max.bytes = {max}.");
        return Err((codes::RECORD_TOO_LARGE, reason));
    }
    let offsets = batch
        .header()
        .last_offset
        .checked_sub(batch.header().base_offset);
    let offsets = offsets.and_then(|delta| delta.checked_add(1));
    if batch.header().record_count < 1 || offsets != Some(i64::from(batch.header().record_count)) {
        let reason = "The record count of the batch does not match its offsets".to_owned();
        return Err((codes::INVALID_RECORD, reason));
    }
    // As Kafka, which looks into a compressed batch but never writes it anew.
    if batch.header().compression != Compression::None
        && let Some(Err(error)) = batch.records().find(Result::is_err)
    {
        return Err((codes::INVALID_RECORD, error.to_string()));
    }
    if batch.header().is_control {
        let reason = "Clients cannot write control records".to_owned();
        return Err((codes::INVALID_RECORD, reason));
    }
    Ok(batch)
}

fn failure(index: i32, code: i16, message: Option<String>) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(code)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
        .with_error_message(message.map(Into::into))
}
