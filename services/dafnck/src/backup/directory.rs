//! The backup directory: what lies where, and who may work in it.
//!
//! ```text
//! status.json  metrics.prom         what became of the last runs, for people and for monitoring
//! barman/main/                      base backups and WAL, as Barman keeps them
//! wal.manifest                      size and SHA-256 of every finished WAL segment
//! files/  files.manifest              objects of the file store, and size and SHA-256 of each
//! secrets/<when>/                   passwords and keys, as they were from then on
//! *.lock  barman.*                  one writer at a time; how Barman is called
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long another run is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The name under which Barman knows the server.
pub const SERVER: &str = "main";
/// What the copies of files are below.
pub(super) const OBJECTS: &str = "files";

/// A backup directory.
#[derive(Clone, Debug)]
pub struct BackupDirectory {
    root: PathBuf,
}

/// Held by the one run that works in the directory; the kernel lets it go with the process.
pub struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl BackupDirectory {
    /// Opens the directory, which is made if it is missing: it holds keys and everybody's data, so it is its owner's alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(root: &Path) -> anyhow::Result<Self> {
        let directory = Self { root: std::path::absolute(root)? };
        for part in [directory.root.clone(), directory.barman_home(), directory.files(), directory.secrets()]
        {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&part);
            made.with_context(|| format!("cannot make the directory {}", part.display()))?;
        }
        Ok(directory)
    }

    /// Opens a directory that a backup was made into.
    ///
    /// # Errors
    /// When it is not one.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let directory = Self { root: std::path::absolute(root)? };
        if !directory.server().is_dir() {
            bail!("{} holds no backup", directory.root.display());
        }
        Ok(directory)
    }

    /// Waits until no other run writes status and manifests, and keeps others out.
    ///
    /// # Errors
    /// When one takes too long.
    pub async fn lock(&self) -> anyhow::Result<Lock> {
        lock(&self.root).await
    }

    /// Waits until no other run makes a base backup or copies to the mirror, which may take hours, and keeps others out.
    /// Is taken before [`Self::lock`].
    ///
    /// # Errors
    /// When the file cannot be locked.
    pub async fn lock_base_backups(&self) -> anyhow::Result<Lock> {
        wait_for_lock(&self.base_backup_lock(), Duration::MAX).await
    }

    /// As [`Self::lock_base_backups`], without waiting.
    ///
    /// # Errors
    /// When the file cannot be locked.
    pub fn try_lock_base_backups(&self) -> anyhow::Result<Option<Lock>> {
        try_lock(&self.base_backup_lock())
    }

    fn base_backup_lock(&self) -> PathBuf {
        self.root.join("base-backup.lock")
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What Barman calls its home.
    pub fn barman_home(&self) -> PathBuf {
        self.root.join("barman")
    }

    /// What Barman keeps of the server.
    pub fn server(&self) -> PathBuf {
        self.barman_home().join(SERVER)
    }

    /// Finished WAL segments.
    pub fn log(&self) -> PathBuf {
        self.server().join("wals")
    }

    /// WAL segments that have arrived and are not taken over yet; the newest may be unfinished.
    pub fn received_log(&self) -> PathBuf {
        self.server().join("streaming")
    }

    /// The manifest of WAL.
    pub fn wal_manifest(&self) -> PathBuf {
        self.root.join("wal.manifest")
    }

    /// Objects of the file store.
    pub fn files(&self) -> PathBuf {
        self.root.join(OBJECTS)
    }

    /// Passwords and keys.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }
}

/// Waits for other runs in this directory to end and keeps them out.
///
/// # Errors
/// When one takes too long.
pub async fn lock(directory: &Path) -> anyhow::Result<Lock> {
    wait_for_lock(&directory.join("lock"), LOCK_TIMEOUT).await
}

async fn wait_for_lock(path: &Path, limit: Duration) -> anyhow::Result<Lock> {
    let began = Instant::now();
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        ensure!(
            began.elapsed() < limit,
            "another run has held {} for {limit:?}: is it stuck?",
            path.display()
        );
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
}

fn try_lock(path: &Path) -> anyhow::Result<Option<Lock>> {
    let cannot = || format!("cannot lock {}", path.display());
    let mut options = OpenOptions::new();
    let file =
        options.create(true).truncate(false).write(true).mode(0o600).open(path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}
