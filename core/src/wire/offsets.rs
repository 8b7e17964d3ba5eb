//! The requests of OffsetCommit and OffsetFetch in version 10, which `kafka_protocol` lacks: topics
//! have ids instead of names. It has the structs, and both answers in that version.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest};

use super::api::ApiKey;
use super::codec::{DecodeError, EncodeError};
use super::primitives::{Reader, Wire, Writer, wire};

/// The version of both requests that is written here.
pub(super) const VERSION: i16 = 10;

/// The last version of `api`'s requests, of which `kafka_protocol` has those up to `theirs`.
pub(super) const fn last_request_version(api: ApiKey, theirs: i16) -> i16 {
    match api {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch if theirs < VERSION => VERSION,
        _ => theirs,
    }
}

wire!(
    OffsetCommitRequest:
    group_id, generation_id_or_member_epoch, member_id, group_instance_id, topics
);
wire!(OffsetCommitRequestTopic: topic_id, partitions);
wire!(
    OffsetCommitRequestPartition:
    partition_index, committed_offset, committed_leader_epoch, committed_metadata
);
wire!(OffsetFetchRequest: groups, require_stable);
wire!(OffsetFetchRequestGroup: group_id, member_id, member_epoch, topics);
wire!(OffsetFetchRequestTopics: topic_id, partition_indexes);

pub(super) fn encode_commit(
    request: &OffsetCommitRequest,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if request.topics.iter().any(|topic| topic.topic_id.is_nil()) {
        return Err(EncodeError::new("a topic without an id"));
    }
    write(request, out);
    Ok(())
}

pub(super) fn encode_fetch(
    request: &OffsetFetchRequest,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if !request.group_id.is_empty() || request.topics.as_ref().is_none_or(|t| !t.is_empty()) {
        return Err(EncodeError::new("a group outside the list of groups"));
    }
    let mut topics = request
        .groups
        .iter()
        .flat_map(|group| &group.topics)
        .flatten();
    if topics.any(|topic| topic.topic_id.is_nil()) {
        return Err(EncodeError::new("a topic without an id"));
    }
    write(request, out);
    Ok(())
}

fn write(request: &impl Wire, out: &mut BytesMut) {
    let mut writer = Writer(std::mem::take(out));
    request.write(&mut writer);
    *out = writer.0;
}

pub(super) fn decode<T: Wire>(body: Bytes) -> Result<T, DecodeError> {
    T::read(&mut Reader(body))
}
