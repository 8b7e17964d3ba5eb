//! Logins with brokers that say anything.

use super::*;
use crate::config::Secret;
use crate::rng::SeedTree;
use crate::wire::messages::{SaslAuthenticateResponse, SaslHandshakeResponse};

/// The first byte is the mechanism, each line behind it what the broker says next: no panic, no
/// hang, and no broker gets through SCRAM without knowing the password.
pub fn logins(data: &[u8]) {
    let Some((mechanism, script)) = data.split_first() else {
        return;
    };
    let (username, password) = ("alice".to_owned(), Secret::new("pencil"));
    let login = match mechanism % 3 {
        0 => SaslLogin::Plain { username, password },
        hash => SaslLogin::Scram {
            mechanism: if hash == 1 {
                SaslMechanism::ScramSha256
            } else {
                SaslMechanism::ScramSha512
            },
            username,
            password,
        },
    };
    let is_proven = !matches!(login, SaslLogin::Plain { .. });
    let mut login = Login::new(login, SeedTree::new(1).rng());
    login.begin();
    let accepted = Response::SaslHandshake(SaslHandshakeResponse::default());
    let mut step = login.answered(accepted);
    for line in script.split(|byte| *byte == b'\n') {
        match step {
            Err(_) => return,
            Ok(Step::Done { .. }) => {
                assert!(!is_proven, "a broker proved what it does not know");
                return;
            }
            Ok(Step::Send(_)) => {}
        }
        let said = Bytes::copy_from_slice(line);
        let response = SaslAuthenticateResponse::default().with_auth_bytes(said);
        step = login.answered(Response::SaslAuthenticate(response));
    }
}
