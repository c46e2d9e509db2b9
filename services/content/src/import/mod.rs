//! Imports of documents, comments and files by the operator. Each item is validated like in the public methods; a refused item
//! does not affect others.

mod comments;
mod documents;
mod files;
mod queries;
pub(crate) mod rpc;
mod wire;

use shared::error::{Error, Result};

/// A validated item, or why it is refused.
struct ImportItem<T> {
    line: u64,
    value: Result<T, String>,
}

/// Why an item is refused; other errors are returned.
fn refusal(error: Error) -> Result<String> {
    match error {
        Error::Invalid(violations) => {
            let reasons = violations.iter().map(|v| format!("{}: {}", v.field, v.description));
            Ok(reasons.collect::<Vec<_>>().join("; "))
        }
        Error::InvalidFor { .. } | Error::NotFound { .. } | Error::ChecksumMismatch { .. } => {
            Ok(error.to_string())
        }
        other => Err(other),
    }
}
