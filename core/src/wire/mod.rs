//! Under construction.

/// A fetched record batch.
#[derive(Clone, Debug)]
pub struct RecordBatch;
/// A batch ready to send.
#[derive(Clone, Debug)]
pub struct SealedBatch;
