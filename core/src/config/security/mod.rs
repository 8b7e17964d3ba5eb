//! Who the brokers are and who we are: `security.protocol`, `sasl.*` and `ssl.*`.

mod jaas;
mod login;
mod secret;
#[cfg(test)]
mod tests;

use super::{ConfigError, StreamsConfig};

use self::jaas::JaasConfig;
use self::secret::HIDDEN;

pub use self::login::{OAuthTokenProvider, SaslLogin, SaslMechanism};
pub use self::secret::Secret;

/// How brokers are talked to (key: `security.protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither TLS nor a login.
    #[default]
    Plaintext,
    /// TLS, with a client certificate where there is a key store.
    Ssl,
    /// A login without TLS: who listens learns the password of PLAIN.
    SaslPlaintext,
    /// A login over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    fn parse(key: &str, value: &str) -> Result<Self, ConfigError> {
        Ok(match value.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Self::Plaintext,
            "SSL" => Self::Ssl,
            "SASL_PLAINTEXT" => Self::SaslPlaintext,
            "SASL_SSL" => Self::SaslSsl,
            _ => {
                let allowed = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
                return Err(ConfigError::invalid(key, value, allowed));
            }
        })
    }

    /// Whether connections are encrypted.
    pub const fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether connections begin with a login.
    pub const fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// Text in PEM, or the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// The path of a file.
    File(String),
    /// The text itself.
    Text(Secret),
}

/// What TLS is made of; whoever owns the sockets reads the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificates that sign those of brokers; `None` trusts whom the system trusts.
    pub truststore: Option<Pem>,
    /// The client's certificate and those that sign it, with its private key in the same text.
    pub keystore: Option<Pem>,
    /// Whether a broker's certificate must name the host that was connected to.
    pub verifies_hostname: bool,
}

/// The keys of this file as they were set. They are checked together when they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SecurityConfig {
    protocol: SecurityProtocol,
    mechanism: Option<SaslMechanism>,
    jaas: Option<JaasConfig>,
    oauth_token_provider: Option<OAuthTokenProvider>,
    truststore: Store,
    keystore: Store,
    /// `ssl.keystore.key`, which stands apart from its certificates.
    keystore_key: Option<Secret>,
    trusts_any_hostname: bool,
}

/// A trust store or key store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Store {
    is_pem: bool,
    location: Option<String>,
    text: Option<Secret>,
}

impl Store {
    fn set_type(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.is_pem = value.eq_ignore_ascii_case("PEM");
        if self.is_pem {
            return Ok(());
        }
        Err(ConfigError::invalid(key, value, PEM_ONLY))
    }

    /// `ssl.truststore` or `ssl.keystore` is the prefix of its keys.
    fn pem(&self, prefix: &str) -> Result<Option<Pem>, ConfigError> {
        let pem = match (&self.location, &self.text) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                let key = format!("{prefix}.location");
                let allowed = "either a file or the text itself, not both";
                return Err(ConfigError::invalid(&key, HIDDEN, allowed));
            }
            (Some(location), None) => Pem::File(location.clone()),
            (None, Some(text)) => Pem::Text(text.clone()),
        };
        if !self.is_pem {
            let key = format!("{prefix}.type");
            return Err(ConfigError::invalid(&key, "JKS", PEM_ONLY));
        }
        Ok(Some(pem))
    }
}

impl StreamsConfig {
    /// Sets one of the keys of this file.
    pub(super) fn set_security(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let security = &mut self.security;
        let text = || Some(value.to_owned());
        match key {
            "security.protocol" => security.protocol = SecurityProtocol::parse(key, value)?,
            "sasl.mechanism" => security.mechanism = Some(SaslMechanism::parse(key, value)?),
            "sasl.jaas.config" => {
                let hidden = |allowed| ConfigError::invalid(key, HIDDEN, allowed);
                security.jaas = Some(JaasConfig::parse(value).map_err(hidden)?);
            }
            "ssl.truststore.type" => security.truststore.set_type(key, value)?,
            "ssl.truststore.location" => security.truststore.location = text(),
            "ssl.truststore.certificates" => security.truststore.text = Some(Secret::new(value)),
            "ssl.keystore.type" => security.keystore.set_type(key, value)?,
            "ssl.keystore.location" => security.keystore.location = text(),
            "ssl.keystore.certificate.chain" => security.keystore.text = Some(Secret::new(value)),
            "ssl.keystore.key" => security.keystore_key = Some(Secret::new(value)),
            "ssl.endpoint.identification.algorithm" => match value {
                "" => security.trusts_any_hostname = true,
                "https" => security.trusts_any_hostname = false,
                _ => {
                    let allowed = "https, or nothing to accept a certificate of any host";
                    return Err(ConfigError::invalid(key, value, allowed));
                }
            },
            "ssl.truststore.password" | "ssl.keystore.password" | "ssl.key.password" => {
                return Err(ConfigError::invalid(key, HIDDEN, NO_PASSWORDS));
            }
            _ => return Err(ConfigError::invalid(key, HIDDEN, unsupported(key))),
        }
        Ok(())
    }

    /// This configuration with the tokens of OAUTHBEARER: `provider` is asked at every login, on
    /// the thread that talks to the brokers, so it must answer at once with a token it has (Java:
    /// the callback handler of `sasl.login.callback.handler.class`). An error of it is a refused
    /// login; it must not have the token in it.
    #[must_use]
    pub fn with_oauth_token_provider(
        mut self,
        provider: impl Fn() -> Result<Secret, String> + Send + Sync + 'static,
    ) -> Self {
        self.security.oauth_token_provider = Some(OAuthTokenProvider::new(provider));
        self
    }

    /// Key: `security.protocol`.
    pub const fn security_protocol(&self) -> SecurityProtocol {
        self.security.protocol
    }

    /// What to make TLS of; `None` where `security.protocol` has none.
    ///
    /// # Errors
    /// When keys contradict each other, or the type of a store is not PEM.
    pub fn tls(&self) -> Result<Option<TlsConfig>, ConfigError> {
        let security = &self.security;
        if !security.protocol.uses_tls() {
            return Ok(None);
        }
        let mut keystore = security.keystore.pem("ssl.keystore")?;
        let key = "ssl.keystore.key";
        match (&mut keystore, &security.keystore_key) {
            (Some(Pem::Text(chain)), Some(private)) => {
                *chain = Secret::new(format!("{}\n{}", chain.reveal(), private.reveal()));
            }
            (Some(Pem::Text(_)), None) => {
                let allowed = "the private key of ssl.keystore.certificate.chain in PEM";
                return Err(ConfigError::invalid(key, "", allowed));
            }
            (_, Some(_)) => {
                let allowed = "it together with ssl.keystore.certificate.chain";
                return Err(ConfigError::invalid(key, HIDDEN, allowed));
            }
            (_, None) => {}
        }
        Ok(Some(TlsConfig {
            truststore: security.truststore.pem("ssl.truststore")?,
            keystore,
            verifies_hostname: !security.trusts_any_hostname,
        }))
    }

    /// How to log in; `None` where `security.protocol` has no login.
    ///
    /// # Errors
    /// When `sasl.mechanism` is missing, or `sasl.jaas.config` is not what the mechanism needs.
    pub fn sasl_login(&self) -> Result<Option<SaslLogin>, ConfigError> {
        if !self.security.protocol.uses_sasl() {
            return Ok(None);
        }
        login::resolve(&self.security).map(Some)
    }
}

fn unsupported(key: &str) -> &'static str {
    if key.starts_with("sasl.oauthbearer.") || key.starts_with("sasl.login.") {
        "it no value: it is not supported, hand tokens to with_oauth_token_provider"
    } else {
        "it no value: it is not supported"
    }
}

const PEM_ONLY: &str = "PEM; convert other stores with: keytool -importkeystore -srckeystore STORE \
                        -destkeystore store.p12 -deststoretype PKCS12, then: openssl pkcs12 -in \
                        store.p12 -nodes -out store.pem";
const NO_PASSWORDS: &str = "it no value: PEM needs none; decrypt a private key with: openssl pkcs8 \
                            -topk8 -nocrypt -in key.pem -out plain.pem";
