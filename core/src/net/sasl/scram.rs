//! SCRAM with SHA-256 or SHA-512 (RFC 5802, RFC 7677), without channel binding.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};

use super::Refusal;
use crate::config::{SaslMechanism, Secret};

/// One exchange, from the client's side.
pub(super) struct Scram {
    hash: Hash,
    password: Secret,
    nonce: String,
    /// The client's first message without its header.
    first_bare: String,
    /// What the server must prove, once it is known.
    server_signature: Option<Vec<u8>>,
}

impl fmt::Debug for Scram {
    /// Not its keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// What the server said first.
struct ServerFirst {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl Scram {
    /// An exchange with a nonce that was never used before: printable, without a comma.
    pub(super) fn new(
        mechanism: SaslMechanism,
        username: &str,
        password: &Secret,
        nonce: String,
    ) -> Self {
        let hash = match mechanism {
            SaslMechanism::ScramSha512 => Hash::Sha512,
            _ => Hash::Sha256,
        };
        // Java prepares neither: names and passwords are taken as they are.
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            password: password.clone(),
            first_bare: format!("n={name},r={nonce}"),
            nonce,
            server_signature: None,
        }
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("{GS2_HEADER}{}", self.first_bare).into_bytes()
    }

    /// Answers the server's first message with the proof.
    pub(super) fn prove(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Refusal> {
        let text = text(challenge)?;
        let first = self.read_first(text)?;
        let hash = self.hash;
        let salted = hash.salted(self.password.reveal(), &first.salt, first.iterations);
        let without_proof = format!("c={},r={}", STANDARD.encode(GS2_HEADER), first.nonce);
        let signed = format!("{},{text},{without_proof}", self.first_bare);
        let client_key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = hash.hmac(&salted, b"Server Key");
        self.server_signature = Some(hash.hmac(&server_key, signed.as_bytes()));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes())
    }

    fn read_first(&self, text: &str) -> Result<ServerFirst, Refusal> {
        let mut fields = text.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name);
        let malformed = || Refusal::new("the broker's first message is not one of SCRAM");
        let nonce = field("r=").ok_or_else(malformed)?;
        let salt = field("s=").ok_or_else(malformed)?;
        let iterations = field("i=").ok_or_else(malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(Refusal::new("the broker's nonce does not continue ours"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| malformed())?;
        let iterations: u32 = iterations.parse().map_err(|_| malformed())?;
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(Refusal::new(format!(
                "the broker asks for {iterations} iterations, which must be {MIN_ITERATIONS} to \
                 {MAX_ITERATIONS}: alter the user's SCRAM credentials"
            )));
        }
        Ok(ServerFirst {
            nonce: nonce.to_owned(),
            salt,
            iterations,
        })
    }

    #[cfg(test)]
    pub(super) fn expected_signature(&self) -> Option<&[u8]> {
        self.server_signature.as_deref()
    }

    /// Checks the server's last message: whether it knows the password too.
    pub(super) fn verify(&self, challenge: &[u8]) -> Result<(), Refusal> {
        let text = text(challenge)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(Refusal::new(error));
        }
        let malformed = || Refusal::new("the broker's last message is not one of SCRAM");
        let signature = text.strip_prefix("v=").ok_or_else(malformed)?;
        let signature = signature.split(',').next().unwrap_or(signature);
        let signature = STANDARD.decode(signature).map_err(|_| malformed())?;
        if self.server_signature.as_ref() == Some(&signature) {
            Ok(())
        } else {
            Err(Refusal::new(
                "the broker could not prove that it knows the user: it is not who it claims to be",
            ))
        }
    }
}

fn text(message: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(message)
        .map_err(|_| Refusal::new("the broker's message is not one of SCRAM"))
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length.
        match self {
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec()),
            Self::Sha512 => Hmac::<Sha512>::new_from_slice(key)
                .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec()),
        }
        .unwrap_or_default()
    }

    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let password = password.as_bytes();
        match self {
            Self::Sha256 => {
                let mut salted = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
                salted
            }
            Self::Sha512 => {
                let mut salted = vec![0; 64];
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted);
                salted
            }
        }
    }
}

/// No channel binding, no other identity.
const GS2_HEADER: &str = "n,,";
/// Kafka's minimum for both hashes (Java: `ScramMechanism`).
const MIN_ITERATIONS: u32 = 4096;
/// Six times what Kafka lets a user have (16 384): a tenth of a second at most, whatever a broker
/// asks for.
const MAX_ITERATIONS: u32 = 100_000;
