//! Paths in the repository.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The directory in which copies of server programs are installed.
pub fn cache() -> PathBuf {
    workspace().join(".local/cache")
}
