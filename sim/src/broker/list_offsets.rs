//! Where a log begins and ends: ListOffsets (2), OffsetForLeaderEpoch (23), DeleteRecords (21).

use eddyline_core::types::BrokerId;
use eddyline_core::wire::Response;
use eddyline_core::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use eddyline_core::wire::messages::list_offsets_request::ListOffsetsPartition;
use eddyline_core::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use eddyline_core::wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use eddyline_core::wire::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::topics::Partition;
use super::{Broker, codes};

/// ListOffsets answers have room for a leader epoch from this version on.
const LEADER_EPOCHS_FROM: i16 = 4;

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const MAX_TIMESTAMP: i64 = -3;
/// Without tiered storage the local log is the whole log, and nothing lies in a remote tier.
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

impl Broker {
    /// The partition, if `node` leads it and `epoch` is not wrong.
    fn led_partition(
        &self,
        node: BrokerId,
        topic: &str,
        index: i32,
        epoch: i32,
    ) -> Result<&Partition, i16> {
        let topic = self.topics.by_name(topic);
        let partition = topic.and_then(|topic| topic.partition(index));
        let partition = partition.ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)?;
        partition.check_leader(node, epoch)?;
        Ok(partition)
    }

    pub(super) fn list_offsets(
        &self,
        node: BrokerId,
        version: i16,
        request: &ListOffsetsRequest,
    ) -> Response {
        let read_committed = request.isolation_level == 1;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let name = topic.name.0.as_str();
                let epoch = wanted.current_leader_epoch;
                let partition = self.led_partition(node, name, wanted.partition_index, epoch);
                let found =
                    partition.and_then(|partition| offset_of(partition, wanted, read_committed));
                let response = ListOffsetsPartitionResponse::default()
                    .with_partition_index(wanted.partition_index)
                    .with_timestamp(-1)
                    .with_offset(-1)
                    .with_leader_epoch(-1);
                match found {
                    Err(code) => response.with_error_code(code),
                    Ok(None) => response,
                    Ok(Some(found)) => response
                        .with_timestamp(found.timestamp)
                        .with_offset(found.offset)
                        .with_leader_epoch(if version >= LEADER_EPOCHS_FROM {
                            found.leader_epoch
                        } else {
                            -1
                        }),
                }
            });
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        Response::ListOffsets(ListOffsetsResponse::default().with_topics(topics.collect()))
    }

    pub(super) fn offset_for_leader_epoch(
        &self,
        node: BrokerId,
        request: &OffsetForLeaderEpochRequest,
    ) -> Response {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let name = topic.topic.0.as_str();
                let epoch = wanted.current_leader_epoch;
                let end = EpochEndOffset::default().with_partition(wanted.partition);
                match self.led_partition(node, name, wanted.partition, epoch) {
                    Err(code) => end
                        .with_error_code(code)
                        .with_leader_epoch(-1)
                        .with_end_offset(-1),
                    Ok(partition) => {
                        let (epoch, offset) = partition.log.end_of_epoch(wanted.leader_epoch);
                        end.with_leader_epoch(epoch).with_end_offset(offset)
                    }
                }
            });
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions.collect())
        });
        Response::OffsetForLeaderEpoch(
            OffsetForLeaderEpochResponse::default().with_topics(topics.collect()),
        )
    }

    pub(super) fn delete_records(
        &mut self,
        node: BrokerId,
        request: &DeleteRecordsRequest,
    ) -> Response {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                let name = topic.name.0.as_str();
                let deleted = self.delete_before(node, name, wanted.partition_index, wanted.offset);
                let result = DeleteRecordsPartitionResult::default()
                    .with_partition_index(wanted.partition_index);
                partitions.push(match deleted {
                    Ok(low_watermark) => result.with_low_watermark(low_watermark),
                    Err(code) => result.with_low_watermark(-1).with_error_code(code),
                });
            }
            topics.push(
                DeleteRecordsTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions),
            );
        }
        Response::DeleteRecords(DeleteRecordsResponse::default().with_topics(topics))
    }

    fn delete_before(
        &mut self,
        node: BrokerId,
        topic: &str,
        index: i32,
        offset: i64,
    ) -> Result<i64, i16> {
        self.led_partition(node, topic, index, -1)?;
        let topic = self.topics.by_name_mut(topic);
        let partition = topic.and_then(|topic| topic.partition_mut(index));
        let partition = partition.ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)?;
        let log = &mut partition.log;
        // -1 means everything there is.
        let offset = if offset == -1 {
            log.end_offset()
        } else {
            offset
        };
        if offset < 0 || offset > log.end_offset() {
            return Err(codes::OFFSET_OUT_OF_RANGE);
        }
        log.delete_before(offset);
        let low_watermark = log.start_offset();
        // A held fetch may now be out of range.
        self.woken.append(&mut partition.waiters);
        Ok(low_watermark)
    }
}

struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

fn offset_of(
    partition: &Partition,
    wanted: &ListOffsetsPartition,
    read_committed: bool,
) -> Result<Option<Found>, i16> {
    let log = &partition.log;
    let end = if read_committed {
        log.last_stable_offset()
    } else {
        log.end_offset()
    };
    let at = |timestamp: i64, offset: i64, leader_epoch: i32| {
        Ok(Some(Found {
            timestamp,
            offset,
            leader_epoch,
        }))
    };
    match wanted.timestamp {
        EARLIEST | EARLIEST_LOCAL => {
            let start = log.start_offset();
            at(-1, start, log.epoch_of(start))
        }
        LATEST => at(-1, end, partition.leader_epoch),
        LATEST_TIERED => Ok(None),
        MAX_TIMESTAMP => match log.max_timestamp() {
            Some((timestamp, offset)) => at(timestamp, offset, log.epoch_of(offset)),
            None => Ok(None),
        },
        timestamp if timestamp >= 0 => match log.offset_for_timestamp(timestamp) {
            Some((timestamp, offset)) if offset < end => {
                at(timestamp, offset, log.epoch_of(offset))
            }
            _ => Ok(None),
        },
        _ => Err(codes::INVALID_REQUEST),
    }
}
