//! Installs Python programs into the cache with pip, for tests that need a real server of another kind.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Progress;
use crate::command::OsUser;
use crate::paths;
use crate::provision::{pip_install, private_copy};

/// A directory for `PYTHONPATH` with these packages, given as pip takes them (`name==version`), and what they need. It is
/// installed once, under this name.
///
/// # Errors
/// When pip cannot fetch them.
pub async fn python_packages(
    cache: &Path,
    name: &str,
    packages: &[&str],
    progress: impl Fn(&str) + Send + Sync,
) -> Result<PathBuf> {
    let progress: Progress<'_> = &progress;
    let (cache, _) = paths::reachable(cache, OsUser::of_servers())?;
    let message = format!("installing {} (private copy)…", packages.join(" "));
    private_copy(&cache, name, &message, progress, async |directory| {
        pip_install(&directory, packages, &[]).await
    })
    .await
}
