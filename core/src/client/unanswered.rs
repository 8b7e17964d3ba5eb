//! What a request without an answer stands for.

use crate::error::StreamsError;
use crate::net::RequestError;

/// The coordinator is another broker.
pub(super) const NOT_COORDINATOR: i16 = 16;
const REQUEST_TIMED_OUT: i16 = 7;

/// The error code that a coordinator which gave no answer could as well have answered.
///
/// # Errors
/// What does not pass by itself.
pub(super) fn unanswered_code(error: RequestError) -> Result<i16, StreamsError> {
    match error {
        RequestError::NotSent | RequestError::Disconnected | RequestError::Protocol(_) => {
            Ok(NOT_COORDINATOR)
        }
        RequestError::TimedOut => Ok(REQUEST_TIMED_OUT),
        RequestError::Unsupported(message) => Err(StreamsError::Unsupported(message)),
    }
}
