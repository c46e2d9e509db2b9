//! What was restored, and what would be.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::end_sessions::EndedCredentials;

/// What was restored.
#[derive(Serialize)]
pub(super) struct RestoreReport {
    pub(super) into: PathBuf,
    pub(super) objects: usize,
    pub(super) bytes: u64,
    pub(super) damage: Vec<String>,
    pub(super) ended: EndedCredentials,
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { into, objects, bytes, ended, .. } = self;
        writeln!(
            out,
            "restored into {}: {objects} objects of the file store, {bytes} bytes",
            into.display()
        )?;
        writeln!(out, "ended {ended}")
    }
}

/// What would be restored.
#[derive(Serialize)]
pub(super) struct RestorePlan {
    pub(super) into: PathBuf,
    pub(super) base_backup: String,
    pub(super) base_backup_bytes: u64,
    pub(super) base_backup_end: DateTime<Utc>,
    /// A sentence on what the backup reaches.
    pub(super) window: String,
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { into, base_backup, base_backup_bytes, base_backup_end, window } = self;
        let end = base_backup_end.to_rfc3339();
        let backup = format!("the base backup {base_backup} ({base_backup_bytes} bytes, complete at {end})");
        writeln!(out, "would restore {backup} and WAL since then into {}", into.display())?;
        writeln!(out, "{window}")
    }
}
