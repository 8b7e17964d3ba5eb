//! The APIs this library speaks, and their versions.

use std::fmt;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable as _, Encodable as _, Message as _};

use super::codec::{DecodeError, EncodeError};
use super::offsets;
use super::streams_group::{
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
};

macro_rules! apis {
    ($( $name:ident = $code:literal, $request:ident, $response:ident, $first:literal..=$last:literal; )*) => {
        /// An API by name; [`ApiKey::code`] is its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ApiKey {
            $( #[allow(missing_docs)] $name, )*
            /// KIP-1071: join, beat and leave a streams group.
            StreamsGroupHeartbeat,
            /// KIP-1071: what the coordinator knows of streams groups.
            StreamsGroupDescribe,
        }

        impl ApiKey {
            /// Every API of this library.
            pub const ALL: &'static [Self] = &[
                $( Self::$name, )* Self::StreamsGroupHeartbeat, Self::StreamsGroupDescribe,
            ];

            /// The API's number on the wire.
            pub const fn code(self) -> i16 {
                match self {
                    $( Self::$name => $code, )*
                    Self::StreamsGroupHeartbeat => 88,
                    Self::StreamsGroupDescribe => 89,
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = i16;

            fn try_from(code: i16) -> Result<Self, i16> {
                match code {
                    $( $code => Ok(Self::$name), )*
                    88 => Ok(Self::StreamsGroupHeartbeat),
                    89 => Ok(Self::StreamsGroupDescribe),
                    _ => Err(code),
                }
            }
        }

        /// A request of any API.
        #[derive(Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "requests are moved once or twice, then encoded")]
        pub enum Request {
            $( #[allow(missing_docs)] $name($request), )*
            #[allow(missing_docs)]
            StreamsGroupHeartbeat(StreamsGroupHeartbeatRequest),
            #[allow(missing_docs)]
            StreamsGroupDescribe(StreamsGroupDescribeRequest),
        }

        /// An answer of any API.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "answers are moved once or twice, then taken apart")]
        pub enum Response {
            $( #[allow(missing_docs)] $name($response), )*
            #[allow(missing_docs)]
            StreamsGroupHeartbeat(StreamsGroupHeartbeatResponse),
            #[allow(missing_docs)]
            StreamsGroupDescribe(StreamsGroupDescribeResponse),
        }

        impl fmt::Debug for Request {
            /// Everything but what is said in a login.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::SaslAuthenticate(_) => f.write_str("SaslAuthenticate(..)"),
                    $( #[allow(unreachable_patterns, reason = "SaslAuthenticate is above")]
                    Self::$name(body) => f.debug_tuple(stringify!($name)).field(body).finish(), )*
                    Self::StreamsGroupHeartbeat(body) => f.debug_tuple("StreamsGroupHeartbeat").field(body).finish(),
                    Self::StreamsGroupDescribe(body) => f.debug_tuple("StreamsGroupDescribe").field(body).finish(),
                }
            }
        }

        impl Request {
            /// The API of this request.
            pub const fn api_key(&self) -> ApiKey {
                match self {
                    $( Self::$name(_) => ApiKey::$name, )*
                    Self::StreamsGroupHeartbeat(_) => ApiKey::StreamsGroupHeartbeat,
                    Self::StreamsGroupDescribe(_) => ApiKey::StreamsGroupDescribe,
                }
            }

            pub(super) fn encode_body(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
                match self {
                    Self::OffsetCommit(body) if version == offsets::VERSION => offsets::encode_commit(body, out),
                    Self::OffsetFetch(body) if version == offsets::VERSION => offsets::encode_fetch(body, out),
                    $( Self::$name(body) => body.encode(out, version).map_err(EncodeError::new), )*
                    Self::StreamsGroupHeartbeat(body) => { out.extend_from_slice(&body.encode()); Ok(()) }
                    Self::StreamsGroupDescribe(body) => { out.extend_from_slice(&body.encode()); Ok(()) }
                }
            }

            pub(super) fn decode_body(api: ApiKey, version: i16, mut body: Bytes) -> Result<Self, DecodeError> {
                match api {
                    ApiKey::OffsetCommit if version == offsets::VERSION => offsets::decode(body).map(Self::OffsetCommit),
                    ApiKey::OffsetFetch if version == offsets::VERSION => offsets::decode(body).map(Self::OffsetFetch),
                    $( ApiKey::$name => $request::decode(&mut body, version).map(Self::$name).map_err(DecodeError::new), )*
                    ApiKey::StreamsGroupHeartbeat => StreamsGroupHeartbeatRequest::decode(body).map(Self::StreamsGroupHeartbeat),
                    ApiKey::StreamsGroupDescribe => StreamsGroupDescribeRequest::decode(body).map(Self::StreamsGroupDescribe),
                }
            }
        }

        impl Response {
            /// The API of this answer.
            pub const fn api_key(&self) -> ApiKey {
                match self {
                    $( Self::$name(_) => ApiKey::$name, )*
                    Self::StreamsGroupHeartbeat(_) => ApiKey::StreamsGroupHeartbeat,
                    Self::StreamsGroupDescribe(_) => ApiKey::StreamsGroupDescribe,
                }
            }

            pub(super) fn encode_body(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
                match self {
                    $( Self::$name(body) => body.encode(out, version).map_err(EncodeError::new), )*
                    Self::StreamsGroupHeartbeat(body) => { out.extend_from_slice(&body.encode()); Ok(()) }
                    Self::StreamsGroupDescribe(body) => { out.extend_from_slice(&body.encode()); Ok(()) }
                }
            }

            pub(super) fn decode_body(api: ApiKey, version: i16, mut body: Bytes) -> Result<Self, DecodeError> {
                match api {
                    $( ApiKey::$name => $response::decode(&mut body, version).map(Self::$name).map_err(DecodeError::new), )*
                    ApiKey::StreamsGroupHeartbeat => StreamsGroupHeartbeatResponse::decode(body).map(Self::StreamsGroupHeartbeat),
                    ApiKey::StreamsGroupDescribe => StreamsGroupDescribeResponse::decode(body).map(Self::StreamsGroupDescribe),
                }
            }
        }

        /// First and last version of `api` that this library can encode and decode, both ways.
        pub fn supported_versions(api: ApiKey) -> (i16, i16) {
            match api {
                $( ApiKey::$name => {
                    let (requests, responses) = ($request::VERSIONS, $response::VERSIONS);
                    let last = offsets::last_request_version(api, requests.max);
                    (requests.min.max(responses.min).max($first), last.min(responses.max).min($last))
                } )*
                ApiKey::StreamsGroupHeartbeat | ApiKey::StreamsGroupDescribe => (0, 0),
            }
        }
    };
}

// Caps: InitProducerId 6 is unstable in 4.3 (two-phase commit); AddPartitionsToTxn 4 is for brokers.
apis! {
    Produce = 0, ProduceRequest, ProduceResponse, 3..=13;
    Fetch = 1, FetchRequest, FetchResponse, 4..=18;
    ListOffsets = 2, ListOffsetsRequest, ListOffsetsResponse, 1..=11;
    Metadata = 3, MetadataRequest, MetadataResponse, 0..=13;
    OffsetCommit = 8, OffsetCommitRequest, OffsetCommitResponse, 2..=10;
    OffsetFetch = 9, OffsetFetchRequest, OffsetFetchResponse, 1..=10;
    FindCoordinator = 10, FindCoordinatorRequest, FindCoordinatorResponse, 0..=6;
    DescribeGroups = 15, DescribeGroupsRequest, DescribeGroupsResponse, 0..=6;
    ListGroups = 16, ListGroupsRequest, ListGroupsResponse, 0..=5;
    SaslHandshake = 17, SaslHandshakeRequest, SaslHandshakeResponse, 1..=1;
    ApiVersions = 18, ApiVersionsRequest, ApiVersionsResponse, 0..=4;
    CreateTopics = 19, CreateTopicsRequest, CreateTopicsResponse, 2..=7;
    DeleteTopics = 20, DeleteTopicsRequest, DeleteTopicsResponse, 1..=6;
    DeleteRecords = 21, DeleteRecordsRequest, DeleteRecordsResponse, 0..=2;
    InitProducerId = 22, InitProducerIdRequest, InitProducerIdResponse, 0..=5;
    OffsetForLeaderEpoch = 23, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 2..=4;
    AddPartitionsToTxn = 24, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 0..=3;
    AddOffsetsToTxn = 25, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, 0..=4;
    EndTxn = 26, EndTxnRequest, EndTxnResponse, 0..=5;
    TxnOffsetCommit = 28, TxnOffsetCommitRequest, TxnOffsetCommitResponse, 0..=5;
    DescribeConfigs = 32, DescribeConfigsRequest, DescribeConfigsResponse, 1..=4;
    SaslAuthenticate = 36, SaslAuthenticateRequest, SaslAuthenticateResponse, 1..=2;
    IncrementalAlterConfigs = 44, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, 0..=1;
    DescribeCluster = 60, DescribeClusterRequest, DescribeClusterResponse, 0..=2;
    ConsumerGroupDescribe = 69, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, 0..=1;
    DescribeTopicPartitions = 75, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, 0..=0;
}

/// The highest version of `api` that both this library and a broker offering `first..=last` speak.
pub fn negotiate(api: ApiKey, (first, last): (i16, i16)) -> Option<i16> {
    let (our_first, our_last) = supported_versions(api);
    let version = our_last.min(last);
    (version >= our_first && version >= first).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_kafka_4_3_or_ours() {
        let caps = [
            (ApiKey::Produce, (3, 13)),
            (ApiKey::Fetch, (4, 18)),
            // Version 11 adds a timestamp for tiered storage only; kafka_protocol lacks it.
            (ApiKey::ListOffsets, (1, 10)),
            (ApiKey::Metadata, (0, 13)),
            (ApiKey::OffsetCommit, (2, 10)),
            (ApiKey::OffsetFetch, (1, 10)),
            (ApiKey::FindCoordinator, (0, 6)),
            (ApiKey::ApiVersions, (0, 4)),
            (ApiKey::InitProducerId, (0, 5)),
            (ApiKey::EndTxn, (0, 5)),
            // Version 6 names topics by id; Java's producer does not ask for it yet.
            (ApiKey::TxnOffsetCommit, (0, 5)),
            (ApiKey::DeleteRecords, (0, 2)),
            (ApiKey::StreamsGroupHeartbeat, (0, 0)),
            (ApiKey::StreamsGroupDescribe, (0, 0)),
        ];
        for (api, range) in caps {
            assert_eq!(supported_versions(api), range, "{api:?}");
        }
    }

    #[test]
    fn negotiation_takes_the_highest_common_version() {
        assert_eq!(negotiate(ApiKey::InitProducerId, (0, 6)), Some(5));
        assert_eq!(negotiate(ApiKey::Produce, (3, 11)), Some(11));
        assert_eq!(negotiate(ApiKey::Produce, (0, 2)), None);
        assert_eq!(negotiate(ApiKey::Produce, (14, 20)), None);
        assert_eq!(negotiate(ApiKey::StreamsGroupHeartbeat, (0, 1)), Some(0));
        assert_eq!(negotiate(ApiKey::StreamsGroupHeartbeat, (1, 1)), None);
        // A range that is not one.
        assert_eq!(negotiate(ApiKey::Fetch, (18, 4)), None);
    }
}
