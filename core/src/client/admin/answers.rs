//! What answers say.

use std::collections::BTreeMap;

use super::AdminResult;
use crate::client::read_committed::drop_aborted;
use crate::config::HostPort;
use crate::error::StreamsError;
use crate::types::{BrokerId, TopicPartition};
use crate::wire;
use crate::wire::messages::{
    FetchResponse, FindCoordinatorResponse, ListOffsetsResponse, OffsetFetchResponse,
    ProduceResponse, TopicName as KafkaTopicName,
};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const GROUP_ID_NOT_FOUND: i16 = 69;

pub(super) fn refused(
    operation: &str,
    code: i16,
    message: Option<&str>,
) -> Result<(), StreamsError> {
    if code == 0 {
        return Ok(());
    }
    let message = message.filter(|message| !message.is_empty());
    Err(StreamsError::Broker {
        operation: operation.to_string(),
        code,
        message: message.unwrap_or(wire::error_name(code)).to_string(),
    })
}

pub(super) fn read_coordinator(
    operation: &str,
    response: &FindCoordinatorResponse,
) -> Result<(BrokerId, HostPort), StreamsError> {
    let (code, message, node, host, port) = match response.coordinators.first() {
        Some(found) => (
            found.error_code,
            &found.error_message,
            found.node_id.0,
            &found.host,
            found.port,
        ),
        None => (
            response.error_code,
            &response.error_message,
            response.node_id.0,
            &response.host,
            response.port,
        ),
    };
    refused(operation, code, message.as_deref())?;
    let at = HostPort::from_wire(host, port).ok_or_else(|| unexpected(operation))?;
    Ok((BrokerId(node), at))
}

pub(super) fn read_offsets(
    operation: &str,
    response: &ListOffsetsResponse,
    found: &mut BTreeMap<TopicPartition, i64>,
) -> Result<(), StreamsError> {
    let mut result = Ok(());
    for topic in &response.topics {
        for partition in &topic.partitions {
            match refused(operation, partition.error_code, None) {
                Ok(()) => {
                    let key = TopicPartition::new(&*topic.name.0, partition.partition_index);
                    found.insert(key, partition.offset);
                }
                Err(error) => result = Err(error),
            }
        }
    }
    result
}

/// The committed offset of each partition; a partition or group without one has none.
pub(super) fn read_committed(
    operation: &str,
    partitions: &[TopicPartition],
    response: &OffsetFetchResponse,
) -> Result<Vec<(TopicPartition, Option<i64>)>, StreamsError> {
    let mut found: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut take = |topic: &KafkaTopicName, index, code, offset| {
        refused(operation, code, None)?;
        found.insert(TopicPartition::new(&*topic.0, index), offset);
        Ok::<(), StreamsError>(())
    };
    match response.groups.first() {
        Some(group) => {
            match group.error_code {
                // A group that never existed has committed nothing.
                GROUP_ID_NOT_FOUND => {}
                code => refused(operation, code, None)?,
            }
            for topic in &group.topics {
                for p in &topic.partitions {
                    take(
                        &topic.name,
                        p.partition_index,
                        p.error_code,
                        p.committed_offset,
                    )?;
                }
            }
        }
        None => {
            refused(operation, response.error_code, None)?;
            for topic in &response.topics {
                for p in &topic.partitions {
                    take(
                        &topic.name,
                        p.partition_index,
                        p.error_code,
                        p.committed_offset,
                    )?;
                }
            }
        }
    }
    let offsets = partitions.iter().map(|partition| {
        let offset = found.get(partition).copied().filter(|offset| *offset >= 0);
        (partition.clone(), offset)
    });
    Ok(offsets.collect())
}

pub(super) fn read_produce(
    operation: &str,
    response: &ProduceResponse,
) -> Result<i64, StreamsError> {
    let partition = response
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first())
        .ok_or_else(|| unexpected(operation))?;
    refused(
        operation,
        partition.error_code,
        partition.error_message.as_deref(),
    )?;
    Ok(partition.base_offset)
}

pub(super) fn read_fetch(
    operation: &str,
    partition: &TopicPartition,
    offset: i64,
    response: FetchResponse,
) -> Result<AdminResult, StreamsError> {
    refused(operation, response.error_code, None)?;
    let data = response
        .responses
        .into_iter()
        .next()
        .and_then(|topic| topic.partitions.into_iter().next())
        .ok_or_else(|| unexpected(operation))?;
    if data.error_code == OFFSET_OUT_OF_RANGE {
        return Err(StreamsError::OffsetOutOfRange(partition.clone()));
    }
    refused(operation, data.error_code, None)?;
    let unreadable = |error: &dyn std::fmt::Display| {
        StreamsError::Protocol(format!("{operation} found records it cannot read: {error}"))
    };
    let mut records = Vec::new();
    let bytes = data.records.unwrap_or_default();
    let mut batches = wire::decode_batches(bytes).map_err(|error| unreadable(&error))?;
    let read_to = batches.last().map(|batch| batch.header().last_offset);
    let next_offset = read_to.map_or(offset, |last| offset.max(last.saturating_add(1)));
    // Told to those alone who asked for what is committed.
    drop_aborted(&mut batches, data.aborted_transactions.unwrap_or_default());
    for batch in batches {
        if !batch.header().is_control {
            for record in batch.records() {
                let record = record.map_err(|error| unreadable(&error))?;
                if record.offset >= offset {
                    records.push(record);
                }
            }
        }
    }
    Ok(AdminResult::Fetched {
        records,
        next_offset,
        log_end: data.high_watermark,
    })
}

pub(super) fn unexpected(operation: &str) -> StreamsError {
    StreamsError::Protocol(format!("{operation} got an answer of another kind"))
}
