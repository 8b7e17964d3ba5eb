//! The login that a connection begins with (SASL; KIP-43, KIP-152), and begins anew before its
//! session ends (KIP-368).

pub mod fuzzing;
mod scram;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use self::scram::Scram;
use crate::config::{SaslLogin, SaslMechanism};
use crate::rng::Rng;
use crate::wire::messages::{SaslAuthenticateRequest, SaslHandshakeRequest, StrBytes};
use crate::wire::{Request, Response, error_name};

/// Why a login failed, in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal(String);

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What follows an answer.
#[derive(Debug)]
pub(super) enum Step {
    /// This is to be sent.
    Send(Box<Request>),
    /// The broker knows who we are, for this long if it says so.
    Done { session_lifetime_ms: Option<u64> },
}

/// The logins of one connection: one exchange after the other.
#[derive(Debug)]
pub(super) struct Login {
    login: SaslLogin,
    rng: Rng,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No exchange is under way.
    Idle,
    /// The broker was asked whether it has the mechanism.
    Handshake,
    /// The only message of PLAIN was sent.
    Plain,
    /// The token was sent.
    Token,
    /// The token was refused; the broker says more when that is acknowledged (RFC 7628).
    TokenRefused,
    ScramFirst(Scram),
    ScramFinal(Scram),
}

impl Login {
    pub(super) const fn new(login: SaslLogin, rng: Rng) -> Self {
        Self {
            login,
            rng,
            state: State::Idle,
        }
    }

    pub(super) const fn mechanism(&self) -> SaslMechanism {
        self.login.mechanism()
    }

    /// The request that begins an exchange.
    pub(super) fn begin(&mut self) -> Request {
        self.state = State::Handshake;
        let mechanism = StrBytes::from_static_str(self.mechanism().name());
        Request::SaslHandshake(SaslHandshakeRequest::default().with_mechanism(mechanism))
    }

    /// Takes the answer to what was sent last.
    pub(super) fn answered(&mut self, response: Response) -> Result<Step, Refusal> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let challenge = match (&state, response) {
            (State::Handshake, Response::SaslHandshake(response)) => {
                self.accepts(response.error_code, &response.mechanisms)?;
                return self.first().map(authenticate);
            }
            (State::Idle | State::Handshake, _) => return Err(unexpected()),
            (_, Response::SaslAuthenticate(response)) => response,
            _ => return Err(unexpected()),
        };
        if challenge.error_code != 0 {
            let name = error_name(challenge.error_code);
            let message = challenge.error_message.as_ref();
            return Err(Refusal(message.map_or(name.into(), ToString::to_string)));
        }
        let bytes = &challenge.auth_bytes;
        match state {
            State::ScramFirst(mut scram) => {
                let proof = scram.prove(bytes)?;
                self.state = State::ScramFinal(scram);
                return Ok(authenticate(proof));
            }
            State::ScramFinal(scram) => scram.verify(bytes)?,
            State::Token if !bytes.is_empty() => {
                self.state = State::TokenRefused;
                return Ok(authenticate(vec![SEPARATOR]));
            }
            State::TokenRefused => return Err(Refusal::new("the broker refused the token")),
            State::Plain | State::Token => {}
            State::Idle | State::Handshake => return Err(unexpected()),
        }
        let lifetime_ms = u64::try_from(challenge.session_lifetime_ms).ok();
        Ok(Step::Done {
            session_lifetime_ms: lifetime_ms.filter(|lifetime_ms| *lifetime_ms > 0),
        })
    }

    fn accepts(&self, code: i16, enabled: &[StrBytes]) -> Result<(), Refusal> {
        match code {
            0 => Ok(()),
            UNSUPPORTED_SASL_MECHANISM => {
                let enabled: Vec<&str> = enabled.iter().map(|name| &**name).collect();
                Err(Refusal(format!(
                    "the broker's mechanisms are {}: set sasl.mechanism to one of them",
                    enabled.join(", ")
                )))
            }
            ILLEGAL_SASL_STATE => Err(Refusal::new(
                "this listener of the broker takes no logins: set security.protocol to PLAINTEXT \
                 or SSL, or use another port",
            )),
            code => Err(Refusal::new(error_name(code))),
        }
    }

    /// The first message of the mechanism.
    fn first(&mut self) -> Result<Vec<u8>, Refusal> {
        match &self.login {
            SaslLogin::Plain { username, password } => {
                self.state = State::Plain;
                Ok(format!("\0{username}\0{}", password.reveal()).into_bytes())
            }
            SaslLogin::Scram {
                mechanism,
                username,
                password,
            } => {
                let nonce = STANDARD_NO_PAD.encode(self.rng.bytes16());
                let scram = Scram::new(*mechanism, username, password, nonce);
                let first = scram.first();
                self.state = State::ScramFirst(scram);
                Ok(first)
            }
            SaslLogin::OAuthBearer(provider) => {
                let token = provider.token();
                let token = token.map_err(|e| Refusal(format!("there is no token: {e}")))?;
                let is_legal = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/=".contains(&c);
                let text = token.reveal();
                if text.is_empty() || !text.bytes().all(is_legal) {
                    let message = "the token has characters that a bearer token cannot have";
                    return Err(Refusal::new(message));
                }
                self.state = State::Token;
                Ok(format!("n,,\x01auth=Bearer {text}\x01\x01").into_bytes())
            }
        }
    }

    /// How long to wait before the next login, of a session of this length: 85 to 95 per cent of it
    /// (Java: `SaslClientAuthenticator.ReauthInfo`).
    pub(super) fn reauthenticate_after_ms(&mut self, session_lifetime_ms: u64) -> u64 {
        let percent = u128::from(85 + self.rng.below(11));
        (u128::from(session_lifetime_ms) * percent / 100) as u64
    }
}

fn authenticate(message: Vec<u8>) -> Step {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
    Step::Send(Box::new(Request::SaslAuthenticate(request)))
}

fn unexpected() -> Refusal {
    Refusal::new("the broker's answer belongs to no step of the login")
}

/// Between and behind the fields of OAUTHBEARER's messages.
const SEPARATOR: u8 = 1;
const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
const ILLEGAL_SASL_STATE: i16 = 34;
