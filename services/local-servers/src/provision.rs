//! What both provisioners share: versions, looking on PATH, and installing into the cache in one piece.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::Progress;
use crate::command::{OsUser, run};
use crate::paths::set_mode;
use crate::wait::wait_for_end;

/// Longest wait for another process that is installing.
const OTHER_INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// What the servers are to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Encrypted,
}

/// A server program that was found and answered with its version.
#[derive(Debug, Clone)]
pub struct Program {
    /// The directory it lies in.
    pub directory: PathBuf,
    /// As it names itself, for example `18.6` or `7.0.15`.
    pub version: String,
    pub major: u32,
    /// `LD_LIBRARY_PATH` for a private copy.
    pub library_path: Option<String>,
}

impl Program {
    /// Asks the program for its version, as the user it will run as.
    ///
    /// # Errors
    /// When it does not run, or prints no version.
    pub async fn ask(
        directory: &Path,
        name: &str,
        library_path: Option<String>,
        identity: OsUser,
    ) -> Result<Self> {
        let mut command = identity.command(directory.join(name));
        command.arg("--version").envs(library_path.as_ref().map(|path| ("LD_LIBRARY_PATH", path)));
        let answer = run(command, VERSION_TIMEOUT).await?;
        let (major, version) =
            version_in(&answer).with_context(|| format!("`{}` is no version", answer.trim()))?;
        Ok(Self { directory: directory.to_owned(), version, major, library_path })
    }

    /// Refuses an older major version.
    pub(crate) fn at_least(self, major: u32) -> Result<Self> {
        if self.major < major {
            bail!("version {} in {} is older than {major}", self.version, self.directory.display());
        }
        Ok(self)
    }
}

/// The first word that begins with a digit, without a leading `v=`: major number and whole.
fn version_in(answer: &str) -> Option<(u32, String)> {
    let version = answer
        .split_whitespace()
        .map(|word| word.trim_start_matches("v="))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

/// Directories of PATH that hold this program.
pub fn on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|directory| directory.join(program).is_file()).collect()
}

/// Installs packages of PyPI into a directory. What would have to be built is refused.
pub(crate) async fn pip_install(directory: &Path, packages: &[&str], options: &[&str]) -> Result<()> {
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries=1",
        "--only-binary",
        ":all:",
    ]);
    // A configured `user = yes` would contradict --target.
    command.args(options).arg("--target").arg(directory).args(packages).env("PIP_USER", "0");
    match run(command, INSTALL_TIMEOUT).await {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "pip (Debian: apt install python3-pip) could not fetch {}: {}",
            packages.join(" "),
            pip_reason(&format!("{error:#}"))
        ),
    }
}

/// Why pip failed, as one sentence: it prints a traceback, or a warning for each attempt.
fn pip_reason(output: &str) -> String {
    const UNREACHABLE: [&str; 4] =
        ["NewConnectionError", "ConnectTimeoutError", "ProxyError", "NameResolutionError"];
    if UNREACHABLE.iter().any(|sign| output.contains(sign)) {
        return "the package index does not answer".to_owned();
    }
    if output.contains("No space left on device") {
        return "no space is left on the disk".to_owned();
    }
    let mut lines = output.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().find_map(|line| line.strip_prefix("ERROR: "));
    error.or_else(|| lines.next()).unwrap_or("it did not say why").to_owned()
}

/// Where the private copy `<cache>/<name>` is. If there is none it is made first, which `message` tells: by putting everything
/// into the directory that is given.
///
/// # Errors
/// When it cannot be made.
pub async fn private_copy(
    cache: &Path,
    name: &str,
    message: &str,
    progress: Progress<'_>,
    install: impl AsyncFnOnce(PathBuf) -> Result<()>,
) -> Result<PathBuf> {
    match copy(cache, name, progress).await? {
        Copy::Present(place) => Ok(place),
        Copy::Missing(unfinished) => {
            progress(message);
            install(unfinished.directory.clone()).await?;
            unfinished.finish()
        }
    }
}

/// Whether a private copy is there or is to be made.
enum Copy {
    Present(PathBuf),
    Missing(UnfinishedCopy),
}

/// A copy being made, beside its place: it is moved there in one piece when it is whole. An interrupted install
/// leaves nothing that looks finished, and the lock keeps other processes from making the same at the same time.
struct UnfinishedCopy {
    directory: PathBuf,
    place: PathBuf,
    _lock: File,
}

/// Looks for `<cache>/<name>`, and reserves it if it is not there.
async fn copy(cache: &Path, name: &str, progress: Progress<'_>) -> Result<Copy> {
    let place = cache.join(name);
    if place.exists() {
        return Ok(Copy::Present(place));
    }
    let lock = lock(cache, progress).await?;
    if place.exists() {
        return Ok(Copy::Present(place));
    }
    remove_unfinished(cache)?;
    let directory = cache.join(format!("{UNFINISHED_PREFIX}{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    Ok(Copy::Missing(UnfinishedCopy { directory, place, _lock: lock }))
}

impl UnfinishedCopy {
    /// Moves the whole copy into its place.
    fn finish(self) -> Result<PathBuf> {
        make_readable(&self.directory)?;
        fs::rename(&self.directory, &self.place).context("cannot move the new copy into place")?;
        Ok(self.place.clone())
    }
}

impl Drop for UnfinishedCopy {
    fn drop(&mut self) {
        // After a failure. Best effort: the next install removes what is left.
        drop(fs::remove_dir_all(&self.directory));
    }
}

async fn lock(cache: &Path, progress: Progress<'_>) -> Result<File> {
    let path = cache.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o644)
        .open(&path)
        .with_context(|| format!("cannot write to the cache directory {}", cache.display()))?;
    let try_lock = || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    };
    if !try_lock()? {
        progress("waiting for another process that is installing…");
        if !wait_for_end(try_lock, OTHER_INSTALL_TIMEOUT).await? {
            bail!(
                "another process has held {} for {} s: is it stuck?",
                path.display(),
                OTHER_INSTALL_TIMEOUT.as_secs()
            );
        }
    }
    Ok(file)
}

/// What interrupted installs left; the caller holds the lock, so none of ours is under way. Best effort: a program
/// that was started by a killed process may still be writing there for a moment.
fn remove_unfinished(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, directory = %entry.path().display(), "cannot remove an unfinished install");
        }
    }
    Ok(())
}

/// Lets every user read and run the copy whatever our umask is: as root, the servers' user is another one.
fn make_readable(directory: &Path) -> Result<()> {
    let mode = fs::metadata(directory)?.mode();
    set_mode(directory, mode | 0o755)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            make_readable(&entry.path())?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.mode();
            let program = mode & 0o100 != 0 || directory.ends_with("bin");
            set_mode(&entry.path(), mode | if program { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{pip_reason, version_in};

    #[test]
    fn a_failure_of_pip_is_one_sentence() {
        let traceback = "ERROR: Exception:\nTraceback (most recent call last):\n  File \"x.py\", line 1\nOSError: [Errno 28] No space left on device";
        assert_eq!(pip_reason(traceback), "no space is left on the disk");
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('…')'\nERROR: No matching distribution found for six==1.17.0";
        assert_eq!(pip_reason(offline), "the package index does not answer");
        let unknown =
            "ERROR: Could not find a version that satisfies x\nERROR: No matching distribution found for x\n";
        assert_eq!(pip_reason(unknown), "No matching distribution found for x");
        assert_eq!(pip_reason("cannot run `python3`: No such file"), "cannot run `python3`: No such file");
    }

    #[test]
    fn versions_are_read_as_programs_print_them() {
        assert_eq!(version_in("postgres (PostgreSQL) 18.6\n"), Some((18, "18.6".to_owned())));
        assert_eq!(
            version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some((15, "15.18".to_owned()))
        );
        assert_eq!(version_in("postgres (PostgreSQL) 19beta1"), Some((19, "19beta1".to_owned())));
        assert_eq!(
            version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some((7, "7.0.15".to_owned()))
        );
        assert_eq!(version_in("no version"), None);
    }
}
