//! Directories that the servers' user can reach, made without depending on the umask.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::command::OsUser;

/// Where directories go that the servers' user could not reach in their wanted place.
const REACHABLE_BASE: &str = "/var/tmp";
/// A file system in memory on Linux, which everybody can write to.
const MEMORY_BASE: &str = "/dev/shm";
/// Less is left to others.
const MIN_MEMORY_BYTES: u64 = 4 << 30;
/// Others may pass through, but not look around.
const PASS_THROUGH: u32 = 0o711;
const READABLE: u32 = 0o755;

/// Makes the wanted directory, or one under `/var/tmp` when we are root and the servers' user cannot pass through to
/// the wanted one (a project under `/root`). Returns the directory and a sentence if it is another one.
///
/// # Errors
/// When the directory cannot be made or opened.
pub fn reachable(wanted: &Path, identity: OsUser) -> Result<(PathBuf, Option<String>)> {
    let wanted = absolute(wanted)?;
    let instead = reachable_path(&wanted, identity)?;
    if instead == wanted {
        make_directories(&wanted)?;
        let real = wanted.canonicalize().with_context(|| format!("cannot open {}", wanted.display()))?;
        return Ok((real, None));
    }
    make_own_directory(&instead)?;
    let note = format!(
        "using {} instead of {}, which the servers' user cannot reach",
        instead.display(),
        wanted.display()
    );
    Ok((instead, Some(note)))
}

/// The directory that [`reachable`] makes, whether or not it is there.
pub(crate) fn reachable_path(wanted: &Path, identity: OsUser) -> Result<PathBuf> {
    let wanted = absolute(wanted)?;
    if identity.other_user().is_none_or(|(uid, _)| can_pass(&wanted, uid)) {
        return Ok(wanted);
    }
    Ok(Path::new(REACHABLE_BASE).join(format!("dafnck-{:016x}", stable_hash(&wanted))))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is not a usable path", path.display()))
}

/// A path for throwaway data, in memory if there is enough.
pub fn temporary_in_memory(identity: OsUser) -> Result<PathBuf> {
    memory_base().map_or_else(|| temporary(identity), |base| Ok(unused_path_in(base)))
}

/// A directory in memory for throwaway data: creating and dropping databases costs a disk's file system several times
/// what it costs PostgreSQL. None where memory is short, and where `TMPDIR` names a directory.
#[must_use]
pub fn memory_base() -> Option<&'static Path> {
    let is_chosen = std::env::var_os("TMPDIR").is_some();
    let is_enough = !is_chosen && available_memory_bytes().is_some_and(|bytes| bytes >= MIN_MEMORY_BYTES);
    is_enough.then_some(Path::new(MEMORY_BASE))
}

/// What fits into the file system in memory, and into memory; none where there is no such file system.
fn available_memory_bytes() -> Option<u64> {
    let found = rustix::fs::statvfs(MEMORY_BASE).ok()?;
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((found.f_bavail * found.f_frsize).min(kilobytes * 1024))
}

/// A path for throwaway data on disk.
///
/// # Errors
/// When the temporary directory cannot be opened.
pub(crate) fn temporary(identity: OsUser) -> Result<PathBuf> {
    let usual = std::env::temp_dir();
    let reachable = identity.other_user().is_none_or(|(uid, _)| can_pass(&usual, uid));
    let base = if reachable { usual } else { PathBuf::from(REACHABLE_BASE) };
    let base = base
        .canonicalize()
        .with_context(|| format!("cannot open the temporary directory {}", base.display()))?;
    Ok(unused_path_in(&base))
}

fn unused_path_in(base: &Path) -> PathBuf {
    base.join(format!("dafnck-test-{}", uuid::Uuid::new_v4().simple()))
}

/// Makes a directory others can pass through. One that is there already must be ours: in a directory that everybody can
/// write to, anybody could have put it there.
pub(crate) fn make_own_directory(directory: &Path) -> Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make the directory {}", directory.display()));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(directory)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        bail!(
            "{} belongs to user {}, not to us: remove it or use another directory",
            directory.display(),
            found.uid()
        );
    }
    set_mode(directory, PASS_THROUGH)
}

/// Makes a private directory of the servers' user.
///
/// # Errors
/// When it cannot be made.
pub fn make_server_directory(directory: &Path, identity: OsUser) -> Result<()> {
    if !directory.exists() {
        fs::create_dir(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
        set_mode(directory, 0o700)?;
        identity.change_owner(directory)?;
    }
    Ok(())
}

/// Sets permission bits regardless of the umask.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn make_directories(directory: &Path) -> Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for ancestor in missing.into_iter().rev() {
        match fs::create_dir(ancestor) {
            Ok(()) => set_mode(ancestor, READABLE)?,
            // Another process on the same way: its directory is as good as ours.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot make the directory {}", ancestor.display()));
            }
        }
    }
    Ok(())
}

/// Whether a user may pass through every existing directory on the way. Groups are left out: the servers' user is in
/// none that matters.
fn can_pass(path: &Path, uid: u32) -> bool {
    let existing =
        path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok()).unwrap_or_else(|| "/".into());
    existing.ancestors().filter_map(|ancestor| ancestor.metadata().ok()).all(|found| {
        let bit = if found.uid() == uid { 0o100 } else { 0o001 };
        found.mode() & bit != 0
    })
}

/// FNV-1a: the standard library's hash may change between releases, and the data must be found again.
fn stable_hash(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(stable_hash(Path::new("")), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(Path::new("a")), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn everybody_can_pass_to_the_root_directory() {
        assert!(can_pass(Path::new("/no-such-directory-here/below"), 65534));
    }
}
