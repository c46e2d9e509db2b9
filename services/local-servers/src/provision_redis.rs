//! Finds Redis 7 or newer, or unpacks Debian's packages into the cache.

use std::path::Path;

use anyhow::{Context, Result};

use crate::Progress;
use crate::command::OsUser;
use crate::provision::{self, Program, on_path};
use crate::provision_debian::{library_path, unpack};

const OLDEST_MAJOR: u32 = 7;
const COPY: &str = "redis-7";
const SERVER: &str = "redis-server";

/// The given directory if there is one, else the one on PATH, else the private copy.
///
/// # Errors
/// When there is none and none can be fetched.
pub async fn find_or_install(
    given: Option<&Path>,
    cache: &Path,
    identity: OsUser,
    progress: Progress<'_>,
) -> Result<Program> {
    if let Some(directory) = given {
        let found = check(directory, None, identity).await;
        return found.with_context(|| {
            format!("the given directory {} has no usable Redis >= {OLDEST_MAJOR}", directory.display())
        });
    }
    let mut tried = Vec::new();
    for directory in on_path(SERVER) {
        match check(&directory, None, identity).await {
            Ok(found) => {
                progress(&format!("using Redis {} from {}", found.version, directory.display()));
                return Ok(found);
            }
            Err(reason) => tried.push(format!("{}: {reason:#}", directory.display())),
        }
    }
    let copy = private_copy(cache, identity, progress).await;
    copy.with_context(|| {
        let tried = if tried.is_empty() { "none on PATH".to_owned() } else { tried.join("; ") };
        format!("no Redis >= {OLDEST_MAJOR} (installed ones: {tried}), and a private copy could not be made. Install redis-server >= {OLDEST_MAJOR} or pass --redis-bin-dir")
    })
}

async fn check(directory: &Path, library_path: Option<String>, identity: OsUser) -> Result<Program> {
    Program::ask(directory, SERVER, library_path, identity).await?.at_least(OLDEST_MAJOR)
}

async fn private_copy(cache: &Path, identity: OsUser, progress: Progress<'_>) -> Result<Program> {
    let message = "installing Redis 7 (private copy of Debian's package: 1 MB, and 9 MB of package lists)…";
    let place = provision::private_copy(cache, COPY, message, progress, async |directory| {
        unpack(&directory, &[SERVER, "redis-tools"], "redis-tools", "usr/bin/redis-server").await
    });
    let place = place.await?;
    let copy = check(&place.join("usr/bin"), library_path(&place), identity).await;
    let copy = copy.with_context(|| {
        format!("the private copy in {} does not run: remove it to have it installed again", place.display())
    })?;
    progress(&format!("using Redis {} (private copy)", copy.version));
    Ok(copy)
}
