//! What was wrong with a request that a handler stopped reading.

use std::sync::{Arc, OnceLock};

use tonic::Status;

/// Why a request could not be read, for an answer that would not say it: some handlers end without a word.
#[derive(Clone, Default)]
pub(super) struct RequestFailure(Arc<OnceLock<Status>>);

impl RequestFailure {
    pub(super) fn get(&self) -> Option<&Status> {
        self.0.get()
    }

    /// The first failure counts.
    pub(super) fn set(&self, failure: Status) {
        let _later = self.0.set(failure);
    }
}
