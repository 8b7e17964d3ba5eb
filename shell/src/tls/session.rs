//! rustls, which like core takes and gives bytes.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use eddyline_core::config::{ConfigError, Pem, StreamsConfig, TlsConfig};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use super::errors;

/// What every connection of an application begins TLS with.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads certificates and keys; `None` where `security.protocol` has no TLS.
    pub(crate) fn load(config: &StreamsConfig) -> Result<Option<Self>, ConfigError> {
        config.tls()?.map(|tls| Self::build(&tls)).transpose()
    }

    fn build(tls: &TlsConfig) -> Result<Self, ConfigError> {
        let roots = Arc::new(match &tls.truststore {
            Some(pem) => given_roots(pem)?,
            None => system_roots()?,
        });
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("security.protocol", "SSL", &error))?;
        let builder = if tls.verifies_hostname {
            builder.with_root_certificates(roots)
        } else {
            let verifier = AnyHost::new(roots, provider)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        };
        let config = match &tls.keystore {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let (chain, key) = identity(pem)?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| unusable("ssl.keystore", pem, &error))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// Begins TLS with a host.
    pub(crate) fn connect(&self, host: &str) -> Result<Session, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host:?} is no name that a certificate can have"))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|error| errors::explain(&error))?;
        // Its machine bounds what is under way.
        connection.set_buffer_limit(None);
        Ok(Session {
            connection,
            has_received: false,
        })
    }
}

/// The TLS of one connection.
pub(crate) struct Session {
    connection: ClientConnection,
    has_received: bool,
}

impl Session {
    /// Whether the handshake is done, as far as this side can tell.
    pub(crate) fn is_ready(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// Whether anything but the handshake came: then the broker has let us in.
    pub(crate) const fn has_received(&self) -> bool {
        self.has_received
    }

    /// Opens what came from the socket.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) -> Result<Bytes, String> {
        let mut opened = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            let read = self.connection.read_tls(&mut bytes);
            if read.map_err(|error| error.to_string())? == 0 {
                break;
            }
            let state = self.connection.process_new_packets();
            let state = state.map_err(|error| errors::explain(&error))?;
            let count = state.plaintext_bytes_to_read() as u64;
            let mut reader = self.connection.reader();
            let read = reader.by_ref().take(count).read_to_end(&mut opened);
            read.map_err(|error| error.to_string())?;
        }
        self.has_received |= !opened.is_empty();
        Ok(opened.into())
    }

    /// Seals bytes for the broker; they leave with [`Session::take_unsent`].
    pub(crate) fn seal(&mut self, bytes: &[u8]) {
        let written = self.connection.writer().write_all(bytes);
        debug_assert!(written.is_ok(), "memory takes everything");
    }

    /// What the socket is to send.
    pub(crate) fn take_unsent(&mut self) -> Option<Bytes> {
        let mut unsent = Vec::new();
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut unsent).is_err() {
                break;
            }
        }
        (!unsent.is_empty()).then(|| unsent.into())
    }
}

fn given_roots(pem: &Pem) -> Result<RootCertStore, ConfigError> {
    let key = "ssl.truststore";
    let text = read(key, pem)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, pem, &text)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(key, pem, &error))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that no verifier takes any more.
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken > 0 {
        return Ok(roots);
    }
    let allowed = "the certificates to trust in PEM, as the system has none";
    Err(ConfigError::Invalid {
        key: "ssl.truststore.location".into(),
        value: String::new(),
        allowed: allowed.into(),
    })
}

fn identity(
    pem: &Pem,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ConfigError> {
    let key = "ssl.keystore";
    let text = read(key, pem)?;
    let chain = certificates(key, pem, &text)?;
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let without = "no private key that is not encrypted";
        unusable(key, pem, &without)
    })?;
    Ok((chain, private))
}

fn certificates(
    key: &str,
    pem: &Pem,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable(key, pem, &"no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(key, pem, &error)),
    }
}

fn read(key: &str, pem: &Pem) -> Result<Vec<u8>, ConfigError> {
    match pem {
        Pem::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
        Pem::File(path) => std::fs::read(path).map_err(|error| unusable(key, pem, &error)),
    }
}

/// What is wrong with a store; its text is not shown.
fn unusable(key: &str, pem: &Pem, what: &dyn fmt::Display) -> ConfigError {
    match pem {
        Pem::File(path) => invalid(&format!("{key}.location"), path, what),
        Pem::Text(_) => invalid(key, "[hidden]", what),
    }
}

fn invalid(key: &str, value: &str, what: &dyn fmt::Display) -> ConfigError {
    ConfigError::Invalid {
        key: key.into(),
        value: value.into(),
        allowed: format!("certificates, and in a key store a private key, in PEM (found: {what})"),
    }
}

/// Verifies everything but the name of the host (`ssl.endpoint.identification.algorithm=`).
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl AnyHost {
    fn new(roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Result<Self, ConfigError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| invalid("ssl.truststore", "", &error))?;
        Ok(Self(verifier))
    }
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, when all else is right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
