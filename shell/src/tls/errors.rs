//! Why TLS failed, and what to do about it.

use rustls::{AlertDescription, CertificateError, Error};

pub(super) fn explain(error: &Error) -> String {
    let advice = match error {
        Error::InvalidCertificate(reason) => certificate(reason),
        Error::InvalidMessage(_) => {
            "this listener of the broker does not speak TLS: set security.protocol to PLAINTEXT or \
             SASL_PLAINTEXT, or use another port"
        }
        Error::AlertReceived(alert) => refused(*alert),
        _ => "",
    };
    if advice.is_empty() {
        error.to_string()
    } else {
        format!("{error}: {advice}")
    }
}

fn certificate(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "give the certificate that signs the broker's as ssl.truststore.location, with \
             ssl.truststore.type=PEM"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect by a name that the certificate has, or switch the check off with an empty \
             ssl.endpoint.identification.algorithm"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the broker needs a new certificate"
        }
        _ => "",
    }
}

/// What the broker may mean by an alert.
fn refused(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => {
            "the broker wants a certificate of the client: give it as ssl.keystore.location, with \
             ssl.keystore.type=PEM"
        }
        AlertDescription::BadCertificate | AlertDescription::HandshakeFailure => {
            "the broker may want a certificate of the client (ssl.keystore.location), or has no \
             version or cipher in common with it"
        }
        AlertDescription::UnknownCA | AlertDescription::CertificateUnknown => {
            "the broker does not trust the certificate of ssl.keystore"
        }
        AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked => {
            "the client needs a new certificate"
        }
        _ => "",
    }
}
