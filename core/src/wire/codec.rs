//! Requests and answers to frames and back.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey as ProtocolApiKey;

use super::api::{ApiKey, Request, Response, supported_versions};
use super::guard;

/// Why bytes are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends before its contents do.
    Truncated,
    /// A length below -1.
    NegativeLength,
    /// Something that no version of the message has.
    Malformed(&'static str),
    /// What `kafka_protocol` found wrong.
    Invalid(String),
    /// No such API here.
    UnknownApi {
        /// Its number.
        code: i16,
        /// To answer with.
        correlation_id: i32,
    },
    /// The API is known, the version is not.
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
        /// To answer with.
        correlation_id: i32,
    },
}

impl DecodeError {
    pub(super) fn new(error: impl fmt::Display) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends before its contents do"),
            Self::NegativeLength => f.write_str("the message has a negative length"),
            Self::Malformed(what) => write!(f, "the message has {what}"),
            Self::Invalid(message) => f.write_str(message),
            Self::UnknownApi { code, .. } => write!(f, "API {code} is not known"),
            Self::UnsupportedVersion { api, version, .. } => {
                write!(f, "version {version} of API {api:?} is not known")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message cannot be written: a field that its version does not have, or a value too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(String);

impl EncodeError {
    pub(super) fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message cannot be encoded: {}", self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Version of the header before a request.
fn request_header_version(api: ApiKey, version: i16) -> i16 {
    match ProtocolApiKey::try_from(api.code()) {
        Ok(key) => key.request_header_version(version),
        // APIs 88 and 89 are flexible in every version.
        Err(()) => 2,
    }
}

/// Version of the header before an answer; that of ApiVersions never is flexible.
fn response_header_version(api: ApiKey, version: i16) -> i16 {
    match ProtocolApiKey::try_from(api.code()) {
        Ok(key) => key.response_header_version(version),
        Err(()) => 1,
    }
}

fn finish(mut out: BytesMut) -> Result<Bytes, EncodeError> {
    let length = i32::try_from(out.len() - 4).map_err(EncodeError::new)?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out.freeze())
}

/// A whole frame, its length first, of `request` in `version`.
///
/// # Errors
/// When the request has something that `version` cannot carry.
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &Request,
) -> Result<Bytes, EncodeError> {
    let api = request.api_key();
    let mut out = BytesMut::with_capacity(256);
    out.put_i32(0);
    out.put_i16(api.code());
    out.put_i16(version);
    out.put_i32(correlation_id);
    out.put_i16(i16::try_from(client_id.len()).map_err(EncodeError::new)?);
    out.put_slice(client_id.as_bytes());
    if request_header_version(api, version) >= 2 {
        out.put_u8(0);
    }
    request.encode_body(version, &mut out)?;
    finish(out)
}

/// The correlation id and body of an answer to `api` in `version`; `frame` is without its length.
///
/// # Errors
/// When the bytes are not such an answer.
pub fn decode_response(
    api: ApiKey,
    version: i16,
    frame: Bytes,
) -> Result<(i32, Response), DecodeError> {
    let (head, mut rest) = frame.split_first_chunk().ok_or(DecodeError::Truncated)?;
    let correlation_id = i32::from_be_bytes(*head);
    check_version(api, version, correlation_id)?;
    if response_header_version(api, version) >= 1 {
        rest = guard::skip_tags(rest)?;
    }
    guard::check_response(api, version, rest)?;
    let body = frame.slice_ref(rest);
    Ok((correlation_id, Response::decode_body(api, version, body)?))
}

fn check_version(api: ApiKey, version: i16, correlation_id: i32) -> Result<(), DecodeError> {
    let (first, last) = supported_versions(api);
    if version < first || version > last {
        return Err(DecodeError::UnsupportedVersion {
            api,
            version,
            correlation_id,
        });
    }
    Ok(())
}

/// A request as a broker reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestFrame {
    /// The API.
    pub api_key: ApiKey,
    /// The version of the request, and of the answer it wants.
    pub version: i16,
    /// To answer with.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// The body.
    pub request: Request,
}

/// A request from a frame without its length.
///
/// # Errors
/// [`DecodeError::UnsupportedVersion`] and [`DecodeError::UnknownApi`] carry what an answer needs.
pub fn decode_request(frame: Bytes) -> Result<RequestFrame, DecodeError> {
    let (head, rest) = frame
        .split_first_chunk::<8>()
        .ok_or(DecodeError::Truncated)?;
    let [a, b, c, d, e, f, g, h] = *head;
    let (code, version) = (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
    let correlation_id = i32::from_be_bytes([e, f, g, h]);
    let api_key = ApiKey::try_from(code).map_err(|code| DecodeError::UnknownApi {
        code,
        correlation_id,
    })?;
    check_version(api_key, version, correlation_id)?;
    let (length, mut rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    let mut client_id = None;
    if let Ok(length) = usize::try_from(i16::from_be_bytes(*length)) {
        let (text, after) = rest
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        client_id = Some(
            std::str::from_utf8(text)
                .map_err(DecodeError::new)?
                .to_owned(),
        );
        rest = after;
    }
    if request_header_version(api_key, version) >= 2 {
        rest = guard::skip_tags(rest)?;
    }
    guard::check_request(api_key, version, rest)?;
    let request = Request::decode_body(api_key, version, frame.slice_ref(rest))?;
    Ok(RequestFrame {
        api_key,
        version,
        correlation_id,
        client_id,
        request,
    })
}

/// A whole frame, its length first, of an answer in `version`.
///
/// # Errors
/// When the answer has something that `version` cannot carry.
pub fn encode_response(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &Response,
) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::with_capacity(256);
    out.put_i32(0);
    out.put_i32(correlation_id);
    if response_header_version(api, version) >= 1 {
        out.put_u8(0);
    }
    response.encode_body(version, &mut out)?;
    finish(out)
}
