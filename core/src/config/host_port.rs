//! Addresses (`bootstrap.servers`, `application.server`).

use std::fmt;

use super::ConfigError;

/// A broker's address as the user gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Host name or IP address (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl HostPort {
    /// Parses `host:port` or `[ipv6]:port`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the key `bootstrap.servers` when it is neither.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::invalid("bootstrap.servers", text, "HOST:PORT");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(invalid)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        if host.is_empty() || (bracketed.is_none() && host.contains(':')) {
            return Err(invalid());
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self {
                host: host.into(),
                port,
            }),
            _ => Err(invalid()),
        }
    }

    /// As a broker says it; `None` where that is no port.
    pub(crate) fn from_wire(host: &str, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        let host = host.to_owned();
        Some(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A comma-separated list of addresses, at least one.
pub(super) fn parse_servers(text: &str) -> Result<Vec<HostPort>, ConfigError> {
    let servers: Result<Vec<_>, _> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(HostPort::parse)
        .collect();
    match servers {
        Ok(servers) if servers.is_empty() => Err(ConfigError::invalid(
            "bootstrap.servers",
            text,
            "at least one HOST:PORT",
        )),
        servers => servers,
    }
}
