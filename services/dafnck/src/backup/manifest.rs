//! What is kept in a directory of the backup: a line of JSON for each change, the last one of a name counts.
//!
//! A line is written after its file is whole and on disk. So a crash leaves at most a file without a line, which the
//! next run keeps again, and half a line, which does not count.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::private_file::write_private;

const READ_BYTES: usize = 1024 * 1024;
/// A manifest with this many lines that no longer count is rewritten.
const MAX_STALE_LINES: usize = 10_000;

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Name below the directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
    /// Since when it is missing in what is backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<DateTime<Utc>>,
    /// No longer kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// The manifest of a directory.
pub struct Manifest {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
    file: File,
}

impl Manifest {
    /// Reads the manifest to write on.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<Self> {
            let text = read_if_there(path)?;
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            let entries = parse(&text);
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            file.set_len(u64::try_from(whole)?)?;
            let stale = text.lines().count().saturating_sub(entries.len());
            let mut manifest = Self { path: path.to_owned(), entries, file };
            if stale > MAX_STALE_LINES {
                manifest.rewrite()?;
            }
            Ok(manifest)
        };
        open().with_context(|| format!("the manifest {}", path.display()))
    }

    /// The entries of a manifest that others write.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Entry>> {
        Ok(parse(&read_if_there(path).with_context(|| format!("the manifest {}", path.display()))?))
    }

    /// What is kept, by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// Notes an entry; one that is removed is forgotten.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, entry: Entry) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| format!("the manifest {}", self.path.display()))?;
        if entry.removed {
            self.entries.remove(&entry.path);
        } else {
            self.entries.insert(entry.path.clone(), entry);
        }
        Ok(())
    }

    /// Waits until everything noted is on disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> anyhow::Result<()> {
        Ok(self.file.sync_all()?)
    }

    fn rewrite(&mut self) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for entry in self.entries.values() {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        write_private(&self.path, &text)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }
}

fn read_if_there(path: &Path) -> std::io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

fn parse(text: &str) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    // What comes after the last end of a line was cut off by a crash.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Ok(entry) = serde_json::from_str::<Entry>(line) {
            if entry.removed {
                entries.remove(&entry.path);
            } else {
                entries.insert(entry.path.clone(), entry);
            }
        }
    }
    entries
}

/// Size and SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hash, mut size) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((size, hex::encode(hash.finalize())));
        };
        hash.update(bytes);
        size += u64::try_from(read).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry { path: path.to_owned(), size: 1, sha256: "00".to_owned(), gone_at: None, removed: false }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_half_a_line_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest");
        let mut manifest = Manifest::open(&path).unwrap();
        for name in ["a", "b", "c"] {
            manifest.note(entry(name)).unwrap();
        }
        manifest.note(Entry { removed: true, ..entry("b") }).unwrap();
        manifest.note(Entry { gone_at: Some(Utc::now()), ..entry("c") }).unwrap();
        drop(manifest);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [whole.as_slice(), br#"{"path":"d","si"#].concat()).unwrap();

        let mut manifest = Manifest::open(&path).unwrap();
        let names: Vec<_> = manifest.entries().keys().cloned().collect();
        assert_eq!(names, ["a", "c"]);
        assert!(manifest.entries()["c"].gone_at.is_some());
        manifest.note(entry("e")).unwrap();
        drop(manifest);
        assert_eq!(Manifest::read(&path).unwrap().len(), 3);
    }

    #[test]
    fn lines_that_do_not_count_are_dropped_in_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest");
        let mut manifest = Manifest::open(&path).unwrap();
        for _ in 0..MAX_STALE_LINES + 2 {
            manifest.note(entry("a")).unwrap();
        }
        drop(manifest);
        Manifest::open(&path).unwrap().note(entry("b")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
