//! Every streams-group message that a Kafka 4.3.1 broker exchanged with its own client: our bytes
//! and our fields must be theirs.

use bytes::Bytes;
use eddyline_core::wire::streams_group::{
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
};
use eddyline_core::wire::{
    ApiKey, Request, Response, decode_request, decode_response, encode_request, encode_response,
};

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/conformance/wire/streams-group-88-89.txt"
));

struct Vector {
    kind: &'static str,
    body: Vec<u8>,
    dump: Option<&'static str>,
}

fn vectors() -> Vec<Vector> {
    let mut lines = VECTORS.lines().peekable();
    let mut vectors = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("REQ") || line.starts_with("RSP") {
            let (kind, hex) = line.split_once(' ').expect("a name, then hex");
            // Requests of API 89 have no dump.
            let dump = lines.next_if(|line| line.starts_with(' ')).map(str::trim);
            let body = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
                .collect();
            vectors.push(Vector { kind, body, dump });
        }
    }
    vectors
}

/// Names and values in order, without what differs between a Java and a Rust dump: punctuation,
/// case of names, names of nested types, and how an absent value is written.
fn words(dump: &str) -> Vec<String> {
    let separators = |c: char| c.is_whitespace() || "(){}[],=:'\"".contains(c);
    let words = dump.split(separators).map(|word| {
        let word = word.replace('_', "").to_lowercase();
        match word.as_str() {
            "none" => "null".to_owned(),
            "describedtopology" => "topology".to_owned(),
            "describedsubtopology" => "subtopology".to_owned(),
            "describedmember" => "member".to_owned(),
            "topicpartitions" => "topicpartition".to_owned(),
            "memberassignment" => "assignment".to_owned(),
            word => word.strip_suffix("data").unwrap_or(word).to_owned(),
        }
    });
    words
        .filter(|word| !word.is_empty() && word != "some")
        .collect()
}

#[test]
fn every_vector_reads_as_java_read_it_and_writes_the_same_bytes() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 100, "the whole file");
    let mut dumps = 0;
    for Vector { kind, body, dump } in vectors {
        let bytes = Bytes::from(body.clone());
        macro_rules! check {
            ($message:ident) => {{
                let message = $message::decode(bytes).expect(kind);
                if let Some(dump) = dump {
                    assert_eq!(words(&format!("{message:?}")), words(dump));
                    dumps += 1;
                }
                message.encode()
            }};
        }
        let again = match kind {
            "REQ88v0" => check!(StreamsGroupHeartbeatRequest),
            "RSP88v0" => check!(StreamsGroupHeartbeatResponse),
            "REQ89v0" => check!(StreamsGroupDescribeRequest),
            "RSP89v0" => check!(StreamsGroupDescribeResponse),
            other => panic!("unknown kind {other}"),
        };
        assert_eq!(again, body, "{dump:?}");
    }
    assert_eq!(dumps, 96);
}

#[test]
fn every_vector_survives_a_frame_and_no_shorter_one_is_taken() {
    for Vector { kind, body, dump } in vectors() {
        let api = match &kind[3..5] {
            "88" => ApiKey::StreamsGroupHeartbeat,
            _ => ApiKey::StreamsGroupDescribe,
        };
        if kind.starts_with("REQ") {
            // Header v2: API, version, correlation id, client id, tags.
            let mut frame = api.code().to_be_bytes().to_vec();
            frame.extend_from_slice(&[0, 0, 0, 0, 0, 7, 0, 1, b'c', 0]);
            frame.extend_from_slice(&body);
            let request = decode_request(Bytes::from(frame.clone())).expect(kind);
            assert_eq!((request.api_key, request.correlation_id), (api, 7));
            assert_eq!(request.client_id.as_deref(), Some("c"));
            let written = encode_request(0, 7, "c", &request.request).expect("encodes");
            assert_eq!(written[4..], frame);
            let cut = Bytes::from(frame).slice(..written.len() - 5);
            assert!(decode_request(cut).is_err(), "{dump:?}");
        } else {
            let mut frame = vec![0, 0, 0, 7, 0];
            frame.extend_from_slice(&body);
            let (correlation_id, response) =
                decode_response(api, 0, Bytes::from(frame.clone())).expect(kind);
            assert_eq!(correlation_id, 7);
            let written = encode_response(api, 0, 7, &response).expect("encodes");
            assert_eq!(written[4..], frame);
            let cut = Bytes::from(frame).slice(..written.len() - 5);
            assert!(decode_response(api, 0, cut).is_err(), "{dump:?}");
        }
    }
}

#[test]
fn requests_and_answers_name_their_api() {
    let request = Request::StreamsGroupDescribe(StreamsGroupDescribeRequest::default());
    assert_eq!(request.api_key().code(), 89);
    let response = Response::StreamsGroupHeartbeat(StreamsGroupHeartbeatResponse::default());
    assert_eq!(response.api_key().code(), 88);
    for api in ApiKey::ALL {
        assert_eq!(ApiKey::try_from(api.code()), Ok(*api));
    }
}
