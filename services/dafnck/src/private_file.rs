//! Small files of a suite and its backup: for their owner alone, and there whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

/// Reads a file of JSON; `None` if there is none.
///
/// # Errors
/// When it cannot be read or is damaged.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is damaged", path.display()))
}

/// Writes a file that only we may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let directory = path.parent().context("a file is in a directory")?;
        // Made for its owner alone.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(File::open(directory)?.sync_all()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
