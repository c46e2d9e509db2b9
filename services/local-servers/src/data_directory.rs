//! The directory that both servers keep their data, logs, pid files and passwords in.
//!
//! ```text
//! lock  secrets  postgres.pid  redis.pid     ours
//! log/  postgres/  redis/  socket/  tls/     but for the logs they belong to the servers' user
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::DataDirectory;
use crate::command::OsUser;
use crate::connection_info::ConnectionInfo;
use crate::passwords::{POSTGRES, Secrets};
use crate::paths::{make_own_directory, reachable, temporary, temporary_in_memory};

/// An opened data directory. Persistent ones are locked until this is dropped.
pub(crate) struct OpenDataDirectory {
    pub(crate) path: PathBuf,
    pub(crate) temporary: bool,
    pub(crate) durable: bool,
    pub(crate) identity: OsUser,
    pub(crate) secrets: Secrets,
    _lock: Option<File>,
}

impl OpenDataDirectory {
    /// Opens it, and refuses one that another live process uses. A temporary one is only named.
    pub(crate) fn open(place: &DataDirectory, notes: &mut Vec<String>) -> Result<Self> {
        match place {
            DataDirectory::Persistent(wanted) => Self::open_persistent(wanted, notes),
            DataDirectory::Temporary => Self::plan_temporary(false),
            DataDirectory::TemporaryDurable => Self::plan_temporary(true),
        }
    }

    fn open_persistent(wanted: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let identity = OsUser::of_servers();
        let (path, moved) = reachable(wanted, identity)?;
        // Root is no exception: what it wrote into a user's directory would lock the user out later.
        make_own_directory(&path)
            .context("the data directory must belong to the user who starts the servers")?;
        notes.extend(moved);
        let lock = lock(&path)?;
        let secrets = Secrets::load_or_make(&path)?;
        Ok(Self { path, temporary: false, durable: true, identity, secrets, _lock: Some(lock) })
    }

    fn plan_temporary(durable: bool) -> Result<Self> {
        let identity = OsUser::of_servers();
        let path = if durable { temporary(identity)? } else { temporary_in_memory(identity)? };
        Ok(Self { path, temporary: true, durable, identity, secrets: Secrets::random(), _lock: None })
    }

    /// Makes what is not there yet. A temporary directory is made here, when the guard that deletes it is running.
    pub(crate) fn make(&self) -> Result<()> {
        make_own_directory(&self.path)?;
        make_own_directory(&self.path.join("log"))
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.path.join(POSTGRES)
    }

    /// How clients reach the servers here.
    pub(crate) fn connection_info(&self, authority: Option<PathBuf>) -> ConnectionInfo {
        ConnectionInfo::new(self.secrets.clone(), authority)
    }

    /// For the Unix socket of PostgreSQL. Throwaway servers have none: tests watch what is sent over TCP.
    pub(crate) fn socket_directory(&self) -> Option<PathBuf> {
        (!self.temporary).then(|| self.path.join("socket"))
    }

    pub(crate) fn redis(&self) -> PathBuf {
        self.path.join("redis")
    }
}

/// The lock is the kernel's: it goes with the process, however that ends.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "the data directory {} is in use by process {holder}: stop that one first, or use another directory",
                directory.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)?;
    write!(file, "{}", std::process::id())?;
    Ok(file)
}
