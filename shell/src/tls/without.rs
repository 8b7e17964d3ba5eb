//! The feature `tls` is off.

use std::convert::Infallible;

use bytes::Bytes;
use eddyline_core::config::{ConfigError, StreamsConfig};

/// There is none.
#[derive(Clone)]
pub(crate) struct Tls(Infallible);

impl Tls {
    pub(crate) fn load(config: &StreamsConfig) -> Result<Option<Self>, ConfigError> {
        match config.tls()? {
            None => Ok(None),
            Some(_) => Err(ConfigError::Invalid {
                key: "security.protocol".into(),
                value: "SSL".into(),
                allowed: "a protocol without TLS, or build with the feature `tls`".into(),
            }),
        }
    }

    pub(crate) fn connect(&self, _host: &str) -> Result<Session, String> {
        match self.0 {}
    }
}

/// There is none.
pub(crate) struct Session(Infallible);

impl Session {
    pub(crate) fn is_ready(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn has_received(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn receive(&mut self, _bytes: &[u8]) -> Result<Bytes, String> {
        match self.0 {}
    }

    pub(crate) fn seal(&mut self, _bytes: &[u8]) {
        match self.0 {}
    }

    pub(crate) fn take_unsent(&mut self) -> Option<Bytes> {
        match self.0 {}
    }
}
