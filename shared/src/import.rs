//! The results of importing RPCs.

use proto::common::{ImportOutcome, ImportResult};

/// The item was created.
pub fn created(line: u64) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Created.into(), ..Default::default() }
}

/// The item exists already.
pub fn unchanged(line: u64) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Unchanged.into(), ..Default::default() }
}

/// The item was refused.
pub fn refused(line: u64, reason: impl Into<String>) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Refused.into(), reason: reason.into(), ..Default::default() }
}
