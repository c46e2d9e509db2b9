//! What importing RPCs of all services have in common.

use proto::common::{ImportOutcome, ImportResult};

/// An item that is stored now.
pub fn created(line: u64) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Created.into(), ..Default::default() }
}

/// An item that was there already.
pub fn unchanged(line: u64) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Unchanged.into(), ..Default::default() }
}

/// An item that is refused.
pub fn refused(line: u64, reason: impl Into<String>) -> ImportResult {
    ImportResult { line, outcome: ImportOutcome::Refused.into(), reason: reason.into(), ..Default::default() }
}
