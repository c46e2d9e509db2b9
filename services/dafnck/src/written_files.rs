//! The outcome of commands that write files.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// What was written, and where to.
#[derive(Serialize)]
pub(crate) struct WrittenFiles {
    /// A file, or the directory of several.
    pub(crate) path: PathBuf,
    pub(crate) files: usize,
    /// In words, with what to do next.
    #[serde(skip)]
    pub(crate) text: String,
}

impl fmt::Display for WrittenFiles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.text)
    }
}
