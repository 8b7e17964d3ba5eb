//! TLS between a socket and its machine.

#[cfg(feature = "tls")]
mod errors;
#[cfg(feature = "tls")]
mod session;
#[cfg(not(feature = "tls"))]
mod without;

#[cfg(feature = "tls")]
pub(crate) use session::{Session, Tls};
#[cfg(not(feature = "tls"))]
pub(crate) use without::{Session, Tls};
