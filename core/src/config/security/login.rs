//! How to log in: mechanism and credentials.

use std::fmt;
use std::sync::Arc;

use super::jaas::JaasConfig;
use super::secret::{HIDDEN, Secret};
use super::{ConfigError, SecurityConfig};

/// A mechanism of SASL (key: `sasl.mechanism`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// User name and password as they are (RFC 4616).
    Plain,
    /// User name and proof of the password, with SHA-256 (RFC 5802, RFC 7677).
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
    /// A bearer token (RFC 7628, KIP-255).
    OAuthBearer,
}

impl SaslMechanism {
    const ALL: [Self; 4] = [
        Self::Plain,
        Self::ScramSha256,
        Self::ScramSha512,
        Self::OAuthBearer,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    pub(super) fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|m| m.name() == value);
        found.ok_or_else(|| ConfigError::invalid(key, value, MECHANISMS))
    }
}

impl fmt::Display for SaslMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Gives tokens of OAUTHBEARER; see [`StreamsConfig::with_oauth_token_provider`].
///
/// [`StreamsConfig::with_oauth_token_provider`]: crate::config::StreamsConfig::with_oauth_token_provider
#[derive(Clone)]
pub struct OAuthTokenProvider(Arc<dyn Fn() -> Result<Secret, String> + Send + Sync>);

impl OAuthTokenProvider {
    pub(super) fn new(
        provider: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(provider))
    }

    pub(crate) fn token(&self) -> Result<Secret, String> {
        (self.0)()
    }
}

impl fmt::Debug for OAuthTokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthTokenProvider")
    }
}

impl PartialEq for OAuthTokenProvider {
    /// Providers are equal when they are the same.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(
            Arc::as_ptr(&self.0).cast::<()>(),
            Arc::as_ptr(&other.0).cast::<()>(),
        )
    }
}

impl Eq for OAuthTokenProvider {}

/// Who logs in, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslLogin {
    /// User name and password, as they are.
    Plain {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// User name and password, proven.
    Scram {
        /// [`SaslMechanism::ScramSha256`] or [`SaslMechanism::ScramSha512`].
        mechanism: SaslMechanism,
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// Bearer tokens.
    OAuthBearer(OAuthTokenProvider),
}

impl SaslLogin {
    /// Its mechanism.
    pub const fn mechanism(&self) -> SaslMechanism {
        match self {
            Self::Plain { .. } => SaslMechanism::Plain,
            Self::Scram { mechanism, .. } => *mechanism,
            Self::OAuthBearer(_) => SaslMechanism::OAuthBearer,
        }
    }
}

/// What the keys say together.
pub(super) fn resolve(security: &SecurityConfig) -> Result<SaslLogin, ConfigError> {
    let Some(mechanism) = security.mechanism else {
        // Java's default.
        return Err(ConfigError::invalid("sasl.mechanism", "GSSAPI", MECHANISMS));
    };
    match mechanism {
        SaslMechanism::Plain => {
            let (username, password) = user(security.jaas.as_ref(), "plain.PlainLoginModule")?;
            Ok(SaslLogin::Plain { username, password })
        }
        SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 => {
            let (username, password) = user(security.jaas.as_ref(), "scram.ScramLoginModule")?;
            Ok(SaslLogin::Scram {
                mechanism,
                username,
                password,
            })
        }
        SaslMechanism::OAuthBearer => match &security.oauth_token_provider {
            Some(provider) => Ok(SaslLogin::OAuthBearer(provider.clone())),
            None => {
                let allowed = "OAUTHBEARER together with tokens: call with_oauth_token_provider";
                let key = "sasl.mechanism";
                Err(ConfigError::invalid(key, mechanism.name(), allowed))
            }
        },
    }
}

/// User name and password of a login module, whose class has its package's last part before it.
fn user(jaas: Option<&JaasConfig>, class: &str) -> Result<(String, Secret), ConfigError> {
    let (_, name) = class.split_once('.').unwrap_or(("", class));
    let find = || {
        let jaas = jaas.filter(|jaas| jaas.module_name() == name)?;
        if jaas.options.contains_key("tokenauth") {
            return None;
        }
        let username = jaas.options.get("username")?.reveal().to_owned();
        let password = jaas.options.get("password")?.clone();
        (!username.is_empty() && !username.contains('\0') && !password.reveal().contains('\0'))
            .then_some((username, password))
    };
    find().ok_or_else(|| {
        let allowed = format!(
            "org.apache.kafka.common.security.{class} required username=\"...\" password=\"...\";"
        );
        ConfigError::invalid("sasl.jaas.config", HIDDEN, allowed)
    })
}

const MECHANISMS: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
