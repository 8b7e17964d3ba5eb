//! Closures that may fail.

use crate::processor::ProcessorError;

/// What a closure gives that may fail: a `T`, or a `Result` of it. What it fails with goes to the
/// processing exception handler.
#[diagnostic::on_unimplemented(
    message = "the closure gives `{Self}`, where `{T}` is wanted",
    label = "this closure must give `{T}`, or a `Result` of it"
)]
pub trait Outcome<T>: 'static {
    /// The value, or why there is none.
    ///
    /// # Errors
    /// Whatever the closure failed with.
    fn into_result(self) -> Result<T, ProcessorError>;
}

impl<T: 'static> Outcome<T> for T {
    #[inline]
    fn into_result(self) -> Result<T, ProcessorError> {
        Ok(self)
    }
}

impl<T: 'static, E: Into<ProcessorError> + 'static> Outcome<T> for Result<T, E> {
    #[inline]
    fn into_result(self) -> Result<T, ProcessorError> {
        self.map_err(Into::into)
    }
}

/// What a closure gives where there may be nothing, as for a row of a table: a `T`, an `Option` of
/// it, or a `Result` of either. `None` is a row that is deleted or not there. What it fails with goes
/// to the processing exception handler, and rows stay as they were.
#[diagnostic::on_unimplemented(
    message = "the closure gives `{Self}`, where `{T}` is wanted",
    label = "this closure must give `{T}`, an `Option` of it, or a `Result` of either"
)]
pub trait OptionalOutcome<T>: 'static {
    /// The value if there is one, or why it cannot be said.
    ///
    /// # Errors
    /// Whatever the closure failed with.
    fn into_optional(self) -> Result<Option<T>, ProcessorError>;
}

impl<T: 'static> OptionalOutcome<T> for T {
    #[inline]
    fn into_optional(self) -> RowResult<T> {
        Ok(Some(self))
    }
}

impl<T: 'static> OptionalOutcome<T> for Option<T> {
    #[inline]
    fn into_optional(self) -> RowResult<T> {
        Ok(self)
    }
}

impl<T: 'static, E: Into<ProcessorError> + 'static> OptionalOutcome<T> for Result<T, E> {
    #[inline]
    fn into_optional(self) -> RowResult<T> {
        self.map(Some).map_err(Into::into)
    }
}

impl<T: 'static, E: Into<ProcessorError> + 'static> OptionalOutcome<T> for Result<Option<T>, E> {
    #[inline]
    fn into_optional(self) -> RowResult<T> {
        self.map_err(Into::into)
    }
}

/// A row if there is one, or why a closure could not say.
pub(super) type RowResult<V> = Result<Option<V>, ProcessorError>;
