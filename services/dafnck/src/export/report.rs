//! What was written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::interchange::line::Kind;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines of each kind.
    pub written: BTreeMap<Kind, u64>,
    /// Of each kind, how much was left out because what it belongs to was deleted during the export.
    pub left_out: BTreeMap<Kind, u64>,
    /// Files of attachments that were written, and those that were there.
    pub files: u64,
    /// Bytes of both.
    pub file_bytes: u64,
}

impl Report {
    pub(super) fn count(&mut self, kind: Kind) {
        *self.written.entry(kind).or_default() += 1;
    }

    pub(super) fn leave_out(&mut self, kind: Kind) {
        *self.left_out.entry(kind).or_default() += 1;
    }

    pub(super) fn count_file(&mut self, bytes: u64) {
        self.files += 1;
        self.file_bytes += bytes;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.written {
            writeln!(out, "{:<14}{count:>10}", kind.plural())?;
        }
        if self.files > 0 {
            writeln!(out, "{:<14}{:>10}  {} bytes", "files", self.files, self.file_bytes)?;
        }
        for (kind, count) in &self.left_out {
            writeln!(out, "{count} {} left out: what they belong to was deleted meanwhile", kind.plural())?;
        }
        Ok(())
    }
}
