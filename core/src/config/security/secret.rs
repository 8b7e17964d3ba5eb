//! What must not be printed.

use std::fmt;

/// A password, a token or a private key: neither shown by `Debug` nor in any error or log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps what must not be printed.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What is printed in the place of a secret (Java: `Password.HIDDEN`).
pub(in crate::config) const HIDDEN: &str = "[hidden]";
