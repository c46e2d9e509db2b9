//! Etags (AIP-154): the transaction that last wrote the row, which every change changes, also one made by
//! hand. Opaque to clients.

use crate::error::{Error, Result};

/// The version of a row: PostgreSQL's `xmin`, read as `Oid` because both are four bytes.
pub type RowVersion = u32;

/// The etag of a row's version.
pub fn of(version: RowVersion) -> String {
    format!("\"{version:08x}\"")
}

/// Lets a change pass if the caller gave no etag or the current one.
///
/// # Errors
/// `ABORTED` with the current etag.
pub fn check(given: &str, current: RowVersion) -> Result<()> {
    let current = of(current);
    if given.is_empty() || given == current { Ok(()) } else { Err(Error::Stale { etag: current }) }
}
