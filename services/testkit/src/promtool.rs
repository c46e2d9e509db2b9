//! Finds promtool, which checks Prometheus' rules, or unpacks Debian's package into the cache.

use std::path::{Path, PathBuf};

use anyhow::Result;

use local_servers::Progress;
use local_servers::tools::{on_path, private_copy, unpack};

const PROGRAM: &str = "promtool";
const PACKAGE: &str = "prometheus";
const COPY: &str = "prometheus-2";
/// It is linked to the C library alone; what else the package asks for is for its pages.
const NEEDING: &str = "libc6";

/// Where promtool is: on PATH, or the private copy.
///
/// # Errors
/// When it is nowhere and cannot be fetched.
pub async fn promtool(cache: &Path, progress: impl Fn(&str) + Send + Sync) -> Result<PathBuf> {
    if let Some(directory) = on_path(PROGRAM).first() {
        return Ok(directory.join(PROGRAM));
    }
    let progress: Progress<'_> = &progress;
    std::fs::create_dir_all(cache)?;
    let within = Path::new("usr/bin").join(PROGRAM);
    let message =
        "installing Prometheus (private copy of Debian's package: 19 MB, and 9 MB of package lists)…";
    let place = private_copy(cache, COPY, message, progress, async |directory| {
        unpack(&directory, &[PACKAGE], NEEDING, &within.to_string_lossy()).await
    });
    Ok(place.await?.join(&within))
}
