//! Unpacks programs of a newer release of Debian into the cache, for tests that need a tool that the machine's lacks.

use std::path::{Path, PathBuf};

use anyhow::Result;

use local_servers::Progress;
use local_servers::tools::{private_copy, unpack_from_sources};

use crate::debian_release::{NEWER_RELEASE, write_sources};

/// A directory that is the root of these packages, installed once under this name. Nothing that they need comes with them:
/// it is for programs that are linked to the C library alone.
///
/// # Errors
/// When apt cannot fetch them.
pub async fn newer_packages(
    cache: &Path,
    name: &str,
    packages: &[&str],
    progress: impl Fn(&str) + Send + Sync,
) -> Result<PathBuf> {
    let progress: Progress<'_> = &progress;
    std::fs::create_dir_all(cache)?;
    let message = format!("installing {} (private copy of Debian's packages)…", packages.join(" "));
    private_copy(cache, name, &message, progress, async |directory| {
        unpack_from_sources(&directory, packages, |sources| write_sources(sources, NEWER_RELEASE)).await
    })
    .await
}
