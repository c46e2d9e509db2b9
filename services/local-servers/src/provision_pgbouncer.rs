//! Fetches PgBouncer as Debian packages into the cache: of the machine's own release, or of one that has a newer one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::Progress;
use crate::command::Identity;
use crate::debian_release::NEWER_RELEASE;
use crate::paths;
use crate::provision::{Program, private_copy};
use crate::provision_debian::{library_path, unpack, unpack_of_release};

pub(crate) const SERVER: &str = "pgbouncer";
const OWN: &str = "pgbouncer-1";
const NEWER: &str = "pgbouncer-1.24";
/// With all libraries down to the C library, which are not the machine's.
const NEWER_PACKAGES: &[&str] = &[
    SERVER,
    "libaudit1",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcares2",
    "libevent-2.1-7t64",
    "libpam0g",
    "libssl3t64",
    "libsystemd0",
    "libzstd1",
    "zlib1g",
];
/// Runs the program with its own loader and libraries, wherever the copy lies.
const SCRIPT: &str = r#"#!/bin/sh
place=${0%/*}/..
set -- "$place"/usr/sbin/pgbouncer "$@"
for libraries in "$place"/usr/lib/*-linux-gnu; do :; done
for loader in "$libraries"/ld-linux*; do :; done
exec "$loader" --library-path "$libraries" --argv0 pgbouncer "$@"
"#;

/// UserSelector PgBouncer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PgBouncerEdition {
    /// That of the machine's release of Debian, which may know nothing of prepared statements.
    #[default]
    Own,
    /// 1.24, which follows prepared statements.
    Newer,
}

/// A private copy, made if there is none.
pub(crate) async fn find_or_install(
    cache: &Path,
    edition: PgBouncerEdition,
    progress: Progress<'_>,
) -> Result<Program> {
    let identity = Identity::of_servers()?;
    let (cache, _) = paths::reachable(cache, identity)?;
    let (copy, programs) = match edition {
        PgBouncerEdition::Own => (OWN, "usr/sbin"),
        PgBouncerEdition::Newer => (NEWER, "bin"),
    };
    let message = "installing PgBouncer (private copy of Debian's package)…";
    let place =
        private_copy(&cache, copy, message, progress, async |directory| install(&directory, edition).await);
    let place = place.await?;
    let libraries = (edition == PgBouncerEdition::Own).then(|| library_path(&place)).flatten();
    let found = Program::ask(&place.join(programs), SERVER, libraries, identity).await;
    found.with_context(|| format!("the private copy in {} does not run: remove it", place.display()))
}

async fn install(directory: &Path, edition: PgBouncerEdition) -> Result<()> {
    if edition == PgBouncerEdition::Own {
        return unpack(directory, &[SERVER], SERVER, "usr/sbin/pgbouncer").await;
    }
    unpack_of_release(directory, NEWER_RELEASE, NEWER_PACKAGES).await?;
    let programs = directory.join("bin");
    fs::create_dir(&programs)?;
    // It becomes executable with the rest of the directory `bin`.
    fs::write(programs.join(SERVER), SCRIPT).context("cannot write PgBouncer's starter")
}
