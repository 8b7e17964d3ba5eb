//! One connection to one broker: handshake, correlation, order, time-outs.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::features::BrokerFeatures;
use super::request::RequestToken;
use crate::time::Instant;
use crate::wire::messages::{ApiVersionsRequest, StrBytes};
use crate::wire::{self, ApiKey, EncodeError, FrameDecoder, Request, Response};

/// Why a connection cannot be used any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The connection or its handshake took longer than ten seconds.
    SetupTimedOut,
    /// A request was not answered within `request.timeout.ms`.
    RequestTimedOut,
    /// The broker refused the handshake: Kafka's error code.
    Refused(i16),
    /// The broker sent bytes that are not Kafka, or an answer to no question.
    Protocol(String),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetupTimedOut => f.write_str("the connection was not ready in time"),
            Self::RequestTimedOut => f.write_str("a request was not answered in time"),
            Self::Refused(code) => write!(
                f,
                "the broker refused the handshake with error {code}: {}",
                wire::error_name(*code)
            ),
            Self::Protocol(message) => {
                write!(f, "the other side does not speak Kafka: {message}")
            }
        }
    }
}

impl std::error::Error for ConnectionError {}

/// What came of received bytes.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// The handshake is done: requests may be sent.
    Ready,
    /// Bytes to send before anything else (the handshake in an older version).
    Send(Bytes),
    /// A request was answered.
    Response(RequestToken, Response),
}

/// A connection as a state machine. Its owner moves the bytes.
///
/// The broker answers in the order of the requests, so an answer belongs to the oldest request
/// in flight; any other correlation id means that the two sides no longer understand each other.
#[derive(Debug)]
pub(crate) struct Connection {
    client_id: String,
    request_timeout_ms: u64,
    state: State,
    decoder: FrameDecoder,
    next_correlation: i32,
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug)]
enum State {
    /// The transport is being connected.
    Connecting {
        deadline: Instant,
    },
    /// ApiVersions was sent in this version.
    Handshaking {
        deadline: Instant,
        version: i16,
        correlation: i32,
    },
    Ready(BrokerFeatures),
}

#[derive(Debug)]
struct InFlight {
    correlation: i32,
    token: RequestToken,
    api: ApiKey,
    version: i16,
    deadline: Instant,
}

impl Connection {
    pub(crate) fn new(now: Instant, client_id: &str, request_timeout_ms: u64) -> Self {
        Self {
            client_id: client_id.into(),
            request_timeout_ms,
            state: State::Connecting {
                deadline: now.plus_ms(SETUP_TIMEOUT_MS),
            },
            decoder: FrameDecoder::new(wire::MAX_FRAME_BYTES),
            next_correlation: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// The transport is there: the bytes that begin the handshake.
    pub(crate) fn connected(&mut self) -> Result<Bytes, EncodeError> {
        let (_, newest) = wire::supported_versions(ApiKey::ApiVersions);
        self.handshake(newest)
    }

    fn handshake(&mut self, version: i16) -> Result<Bytes, EncodeError> {
        let deadline = match self.state {
            State::Connecting { deadline } | State::Handshaking { deadline, .. } => deadline,
            State::Ready(_) => Instant::MAX,
        };
        let correlation = self.take_correlation();
        self.state = State::Handshaking {
            deadline,
            version,
            correlation,
        };
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = StrBytes::from_static_str("eddyline");
            request.client_software_version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
        }
        let request = Request::ApiVersions(request);
        wire::encode_request(version, correlation, &self.client_id, &request)
    }

    fn take_correlation(&mut self) -> i32 {
        let correlation = self.next_correlation;
        // Wraps within the positive range: Kafka's own tools keep negative ids for themselves.
        self.next_correlation = correlation.checked_add(1).unwrap_or(0);
        correlation
    }

    /// What the broker can do, once the handshake is done.
    pub(crate) const fn features(&self) -> Option<&BrokerFeatures> {
        match &self.state {
            State::Ready(features) => Some(features),
            State::Connecting { .. } | State::Handshaking { .. } => None,
        }
    }

    /// Whether one more request may be sent now.
    pub(crate) fn has_room(&self) -> bool {
        self.features().is_some() && self.in_flight.len() < MAX_IN_FLIGHT
    }

    /// Requests without an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The bytes of a request. Call only while [`Connection::has_room`].
    pub(crate) fn send(
        &mut self,
        now: Instant,
        token: RequestToken,
        version: i16,
        request: &Request,
    ) -> Result<Bytes, EncodeError> {
        assert!(self.has_room(), "the in-flight window is full");
        let correlation = self.next_correlation;
        let bytes = wire::encode_request(version, correlation, &self.client_id, request)?;
        self.take_correlation();
        self.in_flight.push_back(InFlight {
            correlation,
            token,
            api: request.api_key(),
            version,
            deadline: now.plus_ms(self.request_timeout_ms),
        });
        Ok(bytes)
    }

    /// Takes bytes from the broker. After an error the connection must be closed.
    pub(crate) fn received(
        &mut self,
        bytes: Bytes,
        events: &mut Vec<ConnectionEvent>,
    ) -> Result<(), ConnectionError> {
        self.decoder.push(bytes);
        let protocol = |error: &dyn fmt::Display| ConnectionError::Protocol(error.to_string());
        while let Some(frame) = self.decoder.next_frame().map_err(|e| protocol(&e))? {
            match self.state {
                State::Connecting { .. } => {
                    return Err(ConnectionError::Protocol("bytes before a question".into()));
                }
                State::Handshaking {
                    version,
                    correlation,
                    ..
                } => events.push(self.handshake_answer(version, correlation, frame)?),
                State::Ready(_) => {
                    let Some(asked) = self.in_flight.pop_front() else {
                        return Err(ConnectionError::Protocol("an answer to no question".into()));
                    };
                    // Kept in flight until understood, so that a broken answer fails the request.
                    match wire::decode_response(asked.api, asked.version, frame) {
                        Ok((correlation, response)) if correlation == asked.correlation => {
                            events.push(ConnectionEvent::Response(asked.token, response));
                        }
                        Ok((correlation, _)) => {
                            let error = format!(
                                "answer {correlation} came for question {}",
                                asked.correlation
                            );
                            self.in_flight.push_front(asked);
                            return Err(ConnectionError::Protocol(error));
                        }
                        Err(error) => {
                            self.in_flight.push_front(asked);
                            return Err(protocol(&error));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn handshake_answer(
        &mut self,
        version: i16,
        correlation: i32,
        frame: Bytes,
    ) -> Result<ConnectionEvent, ConnectionError> {
        // A broker that does not know the version answers in version 0; the error code is at the
        // same place in every version.
        let refused = frame.get(4..6) == Some(&UNSUPPORTED_VERSION.to_be_bytes()[..]);
        if refused && version > 0 {
            return self
                .handshake(0)
                .map(ConnectionEvent::Send)
                .map_err(|error| ConnectionError::Protocol(error.to_string()));
        }
        let (answered, response) = wire::decode_response(ApiKey::ApiVersions, version, frame)
            .map_err(|error| ConnectionError::Protocol(error.to_string()))?;
        let Response::ApiVersions(response) = response else {
            return Err(ConnectionError::Protocol("not a handshake".into()));
        };
        if answered != correlation {
            return Err(ConnectionError::Protocol(format!(
                "answer {answered} came for question {correlation}"
            )));
        }
        if response.error_code != 0 {
            return Err(ConnectionError::Refused(response.error_code));
        }
        self.state = State::Ready(BrokerFeatures::read(&response));
        Ok(ConnectionEvent::Ready)
    }

    /// When [`Connection::check_time`] must be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline } | State::Handshaking { deadline, .. } => Some(deadline),
            State::Ready(_) => self.in_flight.front().map(|oldest| oldest.deadline),
        }
    }

    /// Fails once the handshake or the oldest request took too long: later answers could not be
    /// told from the missing one, so the connection must be closed.
    pub(crate) fn check_time(&self, now: Instant) -> Result<(), ConnectionError> {
        match self.deadline() {
            Some(deadline) if deadline <= now => Err(match self.state {
                State::Ready(_) => ConnectionError::RequestTimedOut,
                State::Connecting { .. } | State::Handshaking { .. } => {
                    ConnectionError::SetupTimedOut
                }
            }),
            _ => Ok(()),
        }
    }

    /// The requests that will never be answered here, oldest first.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = RequestToken> {
        self.in_flight.into_iter().map(|request| request.token)
    }
}

/// `max.in.flight.requests.per.connection` and the most that an idempotent producer may use.
const MAX_IN_FLIGHT: usize = 5;

/// `socket.connection.setup.timeout.ms`, for transport and handshake together.
const SETUP_TIMEOUT_MS: u64 = 10_000;

/// `UNSUPPORTED_VERSION`.
const UNSUPPORTED_VERSION: i16 = 35;
