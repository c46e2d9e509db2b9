//! A headless Chromium that opens a page, and what a test does there as its user.

mod devtools;
mod user;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use local_servers::Progress;
use local_servers::tools::{on_path, private_copy, unpack_with_dependencies};

use crate::workspace::cache;

use devtools::DevTools;
pub use user::Key;

const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];
const PACKAGE: &str = "chromium-headless-shell";
const COPY: &str = "chromium-headless-shell";
/// Where the package has the program.
const WITHIN: &str = "usr/lib/chromium/chromium-headless-shell";

/// A running browser with a page, which ends when this is dropped.
pub struct Chromium {
    devtools: DevTools,
    _profile: TempDir,
}

impl Chromium {
    /// Opens a page in an installed Chromium or a private copy of Debian's. Certificates are not verified.
    ///
    /// # Errors
    /// When there is none and it cannot be fetched.
    pub async fn open(page: &str) -> Result<Self> {
        let mut command = browser(&|step| eprintln!("{step}")).await?;
        let profile = TempDir::new()?;
        command
            // Root may not use the sandbox, and the page is ours.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--ignore-certificate-errors", "--no-first-run"])
            .arg(format!("--user-data-dir={}", profile.path().display()));
        let mut chromium = Self { devtools: DevTools::start(&command).await?, _profile: profile };
        chromium.devtools.call("Page.navigate", json!({ "url": page })).await?;
        Ok(chromium)
    }
}

async fn browser(progress: Progress<'_>) -> Result<Command> {
    for program in PROGRAMS {
        if let Some(directory) = on_path(program).first() {
            return Ok(Command::new(directory.join(program)));
        }
    }
    let cache = cache();
    std::fs::create_dir_all(&cache)?;
    let message = "installing Chromium (private copy of Debian's package: about 100 MB)…";
    let copy = private_copy(&cache, COPY, message, progress, async |directory| {
        unpack_with_dependencies(&directory, PACKAGE).await
    });
    let copy = copy.await?;
    let mut command = Command::new(copy.join(WITHIN));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(library_directories(&copy)?)?);
    Ok(command)
}

/// `usr/lib/<architecture>`, and what is in there: some libraries have a directory of their own.
fn library_directories(copy: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(copy.join("usr/lib"))? {
        let directory = entry?.path();
        if directory.to_string_lossy().ends_with("-linux-gnu") {
            let below = std::fs::read_dir(&directory)?.filter_map(|entry| Some(entry.ok()?.path()));
            found.extend(below.filter(|path| path.is_dir()));
            found.push(directory);
        }
    }
    Ok(found)
}
