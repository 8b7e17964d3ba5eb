//! One connection to one broker: handshake, correlation, order, time-outs.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::cluster::ClusterConfig;
use super::features::BrokerFeatures;
use super::request::RequestToken;
use super::sasl::{Login, Step};
use crate::time::Instant;
use crate::wire::messages::{ApiVersionsRequest, StrBytes};
use crate::wire::{self, ApiKey, EncodeError, FrameDecoder, FrameError, Request, Response};

/// Why a connection cannot be used any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The connection or its handshake took longer than
    /// `socket.connection.setup.timeout.ms`.
    SetupTimedOut,
    /// A request was not answered within `request.timeout.ms`.
    RequestTimedOut,
    /// The broker refused the handshake: Kafka's error code.
    Refused(i16),
    /// The broker sent bytes that are not Kafka, or an answer to no question.
    Protocol(String),
    /// The login or the TLS handshake failed for good.
    Authentication {
        /// The mechanism of SASL, or `TLS`.
        mechanism: &'static str,
        /// Why.
        message: String,
    },
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
            Self::Authentication { mechanism, message } => {
                write!(f, "{mechanism} authentication failed: {message}")
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
    /// Bytes to send before anything else: the next step of handshake or login.
    Send(Bytes),
    /// The login was repeated: requests may be sent again.
    Reauthenticated,
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
    setup_timeout_ms: u64,
    state: State,
    decoder: FrameDecoder,
    next_correlation: i32,
    in_flight: VecDeque<InFlight>,
    features: BrokerFeatures,
    login: Option<Login>,
    /// When the login is to be repeated.
    reauthenticate_at: Option<Instant>,
    /// Whether any request was answered after the handshake.
    answered: bool,
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
    /// A step of the login was sent.
    Authenticating {
        deadline: Instant,
        /// Requests were sent before: it is repeated.
        again: bool,
        asked: InFlight,
    },
    Ready,
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
    pub(crate) fn new(now: Instant, config: &ClusterConfig, login: Option<Login>) -> Self {
        let setup_timeout_ms = config.socket_connection_setup_timeout_ms;
        Self {
            client_id: config.client_id.as_str().into(),
            request_timeout_ms: config.request_timeout_ms,
            setup_timeout_ms,
            state: State::Connecting {
                deadline: now.plus_ms(setup_timeout_ms),
            },
            decoder: FrameDecoder::new(wire::MAX_FRAME_BYTES),
            next_correlation: 0,
            in_flight: VecDeque::new(),
            features: BrokerFeatures::default(),
            login,
            reauthenticate_at: None,
            answered: false,
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
            State::Authenticating { .. } | State::Ready => Instant::MAX,
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

    /// What the broker can do, once handshake and login are done.
    pub(crate) const fn features(&self) -> Option<&BrokerFeatures> {
        match &self.state {
            State::Ready | State::Authenticating { again: true, .. } => Some(&self.features),
            State::Connecting { .. }
            | State::Handshaking { .. }
            | State::Authenticating { again: false, .. } => None,
        }
    }

    /// Whether one more request may be sent now. None is while the login is repeated, nor between
    /// the time that is due and the answers to what was sent before.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        matches!(self.state, State::Ready)
            && self.in_flight.len() < MAX_IN_FLIGHT
            && !self.is_reauthentication_due(now)
    }

    fn is_reauthentication_due(&self, now: Instant) -> bool {
        self.reauthenticate_at.is_some_and(|at| at <= now)
    }

    /// Whether the broker ended the connection where it might have wanted a login: it closes
    /// without a word on the first request that is none (Java: `SaslServerAuthenticator`).
    pub(crate) fn may_want_login(&self) -> bool {
        self.login.is_none() && !self.answered && !self.in_flight.is_empty()
    }

    /// The bytes that begin the login anew, once that is due and everything was answered.
    pub(crate) fn reauthenticate(&mut self, now: Instant) -> Option<Result<Bytes, EncodeError>> {
        let is_idle = matches!(self.state, State::Ready) && self.in_flight.is_empty();
        if !is_idle || !self.is_reauthentication_due(now) {
            return None;
        }
        self.reauthenticate_at = None;
        let request = self.login.as_mut()?.begin();
        Some(self.authenticate(now.plus_ms(self.setup_timeout_ms), true, &request))
    }

    /// The bytes of a step of the login.
    fn authenticate(
        &mut self,
        deadline: Instant,
        again: bool,
        request: &Request,
    ) -> Result<Bytes, EncodeError> {
        let api = request.api_key();
        let version = self.features.version(api);
        // A broker that does not offer it says so in its answer.
        let version = version.unwrap_or(wire::supported_versions(api).1);
        let correlation = self.take_correlation();
        self.state = State::Authenticating {
            deadline,
            again,
            asked: InFlight {
                correlation,
                token: LOGIN_TOKEN,
                api,
                version,
                deadline,
            },
        };
        wire::encode_request(version, correlation, &self.client_id, request)
    }

    fn login_answer(
        &mut self,
        now: Instant,
        frame: Bytes,
    ) -> Result<ConnectionEvent, ConnectionError> {
        let (
            Some(login),
            State::Authenticating {
                deadline,
                again,
                asked,
            },
        ) = (&mut self.login, &self.state)
        else {
            return Err(ConnectionError::Protocol("an answer to no question".into()));
        };
        let (deadline, again) = (*deadline, *again);
        let response = asked.decode(frame)?;
        let mechanism = login.mechanism().name();
        let refused = |message: String| ConnectionError::Authentication { mechanism, message };
        match login
            .answered(response)
            .map_err(|e| refused(e.to_string()))?
        {
            Step::Send(request) => self
                .authenticate(deadline, again, &request)
                .map(ConnectionEvent::Send)
                .map_err(|error| refused(error.to_string())),
            Step::Done {
                session_lifetime_ms,
            } => {
                self.reauthenticate_at = session_lifetime_ms
                    .map(|lifetime_ms| now.plus_ms(login.reauthenticate_after_ms(lifetime_ms)));
                self.state = State::Ready;
                Ok(if again {
                    ConnectionEvent::Reauthenticated
                } else {
                    ConnectionEvent::Ready
                })
            }
        }
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
        assert!(self.has_room(now), "the in-flight window is full");
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
        now: Instant,
        bytes: Bytes,
        events: &mut Vec<ConnectionEvent>,
    ) -> Result<(), ConnectionError> {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_frame().map_err(not_kafka)? {
            match self.state {
                State::Connecting { .. } => {
                    return Err(ConnectionError::Protocol("bytes before a question".into()));
                }
                State::Handshaking {
                    version,
                    correlation,
                    ..
                } => {
                    let event = self.handshake_answer(version, correlation, frame)?;
                    events.push(event);
                }
                State::Authenticating { .. } => events.push(self.login_answer(now, frame)?),
                State::Ready => {
                    let Some(asked) = self.in_flight.front() else {
                        return Err(ConnectionError::Protocol("an answer to no question".into()));
                    };
                    // In flight until understood, so that a broken answer fails the request.
                    let response = asked.decode(frame)?;
                    events.push(ConnectionEvent::Response(asked.token, response));
                    self.in_flight.pop_front();
                    self.answered = true;
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
        self.features = BrokerFeatures::read(&response);
        let (State::Handshaking { deadline, .. }, Some(login)) = (&self.state, &mut self.login)
        else {
            self.state = State::Ready;
            return Ok(ConnectionEvent::Ready);
        };
        let (deadline, request) = (*deadline, login.begin());
        self.authenticate(deadline, false, &request)
            .map(ConnectionEvent::Send)
            .map_err(|error| ConnectionError::Protocol(error.to_string()))
    }

    /// When [`Connection::check_time`] must be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline }
            | State::Handshaking { deadline, .. }
            | State::Authenticating { deadline, .. } => Some(deadline),
            State::Ready => match self.in_flight.front() {
                Some(oldest) => Some(oldest.deadline),
                None => self.reauthenticate_at,
            },
        }
    }

    /// Fails once the handshake or the oldest request took too long: later answers could not be
    /// told from the missing one, so the connection must be closed.
    pub(crate) fn check_time(&self, now: Instant) -> Result<(), ConnectionError> {
        match self.deadline() {
            Some(deadline) if deadline <= now => match self.state {
                // The login is due, no answer.
                State::Ready if self.in_flight.is_empty() => Ok(()),
                State::Ready => Err(ConnectionError::RequestTimedOut),
                State::Connecting { .. }
                | State::Handshaking { .. }
                | State::Authenticating { .. } => Err(ConnectionError::SetupTimedOut),
            },
            _ => Ok(()),
        }
    }

    /// The requests that will never be answered here, oldest first.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = RequestToken> {
        self.in_flight.into_iter().map(|request| request.token)
    }
}

impl InFlight {
    fn decode(&self, frame: Bytes) -> Result<Response, ConnectionError> {
        let decoded = wire::decode_response(self.api, self.version, frame);
        match decoded.map_err(|error| ConnectionError::Protocol(error.to_string()))? {
            (correlation, response) if correlation == self.correlation => Ok(response),
            (correlation, _) => Err(ConnectionError::Protocol(format!(
                "answer {correlation} came for question {}",
                self.correlation
            ))),
        }
    }
}

/// Why bytes are no frame; the beginning of an alert or handshake of TLS reads as a length.
fn not_kafka(error: FrameError) -> ConnectionError {
    match error.length >> 16 {
        0x1503 | 0x1603 => ConnectionError::Authentication {
            mechanism: TLS,
            message: "this listener of the broker speaks TLS: set security.protocol to SSL or \
                      SASL_SSL"
                .into(),
        },
        _ => ConnectionError::Protocol(error.to_string()),
    }
}

/// The mechanism of an authentication that failed below SASL.
pub(super) const TLS: &str = "TLS";

/// Steps of a login are not told to anybody.
const LOGIN_TOKEN: RequestToken = RequestToken(u64::MAX);

/// `max.in.flight.requests.per.connection` and the most that an idempotent producer may use.
const MAX_IN_FLIGHT: usize = 5;

/// `UNSUPPORTED_VERSION`.
const UNSUPPORTED_VERSION: i16 = 35;
