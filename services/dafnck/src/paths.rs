//! The directories of a suite that runs on this machine: their defaults, and which may not lie in each other.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use content::storage::{BucketOptions, FileLimits, Storage, StorageOptions};

use crate::suite_settings::SuiteSettings;

/// Data directory unless told otherwise, below the current directory.
pub const DEFAULT_DATA_DIRECTORY: &str = ".local/data";
/// Directory for private copies of programs unless told otherwise, below the current directory.
pub const DEFAULT_CACHE_DIRECTORY: &str = ".local/cache";
/// Where backups go unless told otherwise, below the current directory.
pub const DEFAULT_BACKUP_DIRECTORY: &str = ".local/backup";
/// Where the content service keeps files, in the data directory.
pub(crate) const FILES: &str = "files";
/// Name of the database of a suite with one; those of a suite with four begin with it.
pub(crate) const DATABASE: &str = "dafnck";

/// The directories of a suite that runs on this machine.
#[derive(Args, Clone, Debug)]
pub struct LocalSuite {
    /// Data directory of the suite.
    #[arg(from_global)]
    pub data_directory: PathBuf,
    /// Directory for private copies of programs.
    #[arg(from_global)]
    pub cache_directory: PathBuf,
    /// S3, if the suite keeps its files elsewhere than the data directory remembers.
    #[command(flatten)]
    pub bucket: BucketOptions,
}

impl LocalSuite {
    /// The file store of the suite.
    pub(crate) fn storage(&self) -> anyhow::Result<Storage> {
        let settings = SuiteSettings::read(&self.data_directory)?.unwrap_or_default();
        Storage::open(&StorageOptions {
            storage_directory: self.data_directory.join(FILES),
            bucket: settings.bucket(&self.bucket),
            limits: FileLimits::default(),
        })
    }
}

/// Refuses two directories that are the same or of which one lies in the other: what removes or copies the one would
/// remove or copy the other.
///
/// # Errors
/// When they do.
pub fn refuse_nested((name, path): (&str, &Path), (other_name, other): (&str, &Path)) -> anyhow::Result<()> {
    let [path, other] = [resolve(path)?, resolve(other)?];
    ensure!(
        !path.starts_with(&other) && !other.starts_with(&path),
        "{name} {} and {other_name} {} must not lie in each other: choose another place, best on another disk",
        path.display(),
        other.display()
    );
    Ok(())
}

/// Without links, as far as the path exists.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    for existing in path.ancestors() {
        if let Ok(resolved) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return Ok(if rest == Path::new("") { resolved } else { resolved.join(rest) });
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_in_each_other_are_refused_also_through_links_and_before_they_exist() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("data")).unwrap();
        std::os::unix::fs::symlink(path("data"), path("link")).unwrap();
        let refused =
            |one: &str, other: &str| refuse_nested(("one", &path(one)), ("other", &path(other))).is_err();
        for (one, other) in [
            ("data", "data"),
            ("data", "data/backup"),
            ("data/x/y", "data"),
            ("link/backup", "data"),
            ("a/b", "a"),
        ] {
            assert!(refused(one, other) && refused(other, one), "{one} {other}");
        }
        assert!(!refused("data", "data-2") && !refused("link", "backup"));
    }
}
