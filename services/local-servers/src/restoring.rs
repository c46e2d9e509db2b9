//! A new data directory whose database comes from a backup: PostgreSQL replays WAL there and is stopped again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Progress;
use crate::command::OsUser;
use crate::data_directory::OpenDataDirectory;
use crate::guard::Guard;
use crate::passwords::SECRETS;
use crate::paths::{self, set_mode};
use crate::ports;
use crate::postgres::{NAME, PostgresServer};
use crate::process::ServerProcess;
use crate::provision::{Program, Transport};
use crate::servers::forget;
use crate::{DataDirectory, provision_postgres};

/// Weeks of log may have to be replayed.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);
/// While WAL is replayed nobody reads; so the server need not be as wide as the one that wrote it.
const RECOVERY: &[&str] = &["hot_standby=off"];

/// A data directory that waits for its database.
pub struct PendingRestore {
    data: OpenDataDirectory,
    guard: Guard,
    program: Program,
}

/// A restored database, running.
pub struct RestoredPostgres {
    /// The server and how to reach it.
    pub postgres: PostgresServer,
    process: ServerProcess,
    guard: Guard,
    _data: OpenDataDirectory,
}

impl PendingRestore {
    /// Makes the directory, with the servers' passwords as they were, and finds PostgreSQL as [`super::start`] does.
    ///
    /// # Errors
    /// When the directory cannot be made or holds a database, and when there is no PostgreSQL.
    pub async fn make(
        directory: &Path,
        server_secrets: &[u8],
        cache: &Path,
        postgres_bin: Option<&Path>,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let progress: Progress<'_> = &progress;
        let identity = OsUser::of_servers();
        let (path, moved) = paths::reachable(directory, identity)?;
        let secrets = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path.join(SECRETS));
        let mut secrets = secrets.with_context(|| format!("{} is in use already", path.display()))?;
        secrets.write_all(server_secrets)?;
        let mut notes: Vec<String> = moved.into_iter().collect();
        let data = OpenDataDirectory::open(&DataDirectory::Persistent(directory.to_owned()), &mut notes)?;
        notes.iter().for_each(|note| progress(note));
        let guard = Guard::start(&data)?;
        data.make()?;
        let (cache, _) = paths::reachable(cache, identity)?;
        let program =
            provision_postgres::find_or_install(postgres_bin, &cache, identity, Transport::Plain, progress)
                .await?;
        Ok(Self { data, guard, program })
    }

    /// The data directory really used.
    pub fn directory(&self) -> &Path {
        &self.data.path
    }

    /// Where the base backup has to be put.
    pub fn postgres(&self) -> PathBuf {
        self.data.postgres()
    }

    /// The directory with the programs of PostgreSQL.
    pub fn programs(&self) -> &Path {
        &self.program.directory
    }

    /// Starts PostgreSQL on the base backup and waits until it has replayed what it is configured to replay.
    ///
    /// # Errors
    /// When it does not come to that point; the end of its log is in the message.
    pub async fn recover(self, progress: impl Fn(&str) + Send + Sync) -> Result<RestoredPostgres> {
        let Self { data, guard, program } = self;
        change_owner_of_all(&data.postgres(), data.identity)?;
        set_mode(&data.postgres(), 0o700)?;
        let postgres = PostgresServer::prepare(&data, &program, ports::free()?, None, &progress).await?;
        let process = postgres.start_with(&guard, RECOVERY, RECOVERY_TIMEOUT).await?;
        Ok(RestoredPostgres { postgres, process, guard, _data: data })
    }
}

impl RestoredPostgres {
    /// Stops the server; the data stays.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(mut self) -> Result<()> {
        let stopped = self.postgres.stop(&mut self.process).await;
        forget(&self.guard, &self.postgres.root, NAME);
        stopped.and(self.guard.release().await)
    }
}

/// Hands a directory with everything in it over to the servers' user.
fn change_owner_of_all(directory: &Path, identity: OsUser) -> Result<()> {
    if identity.other_user().is_none() {
        return Ok(());
    }
    identity.change_owner(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            change_owner_of_all(&entry.path(), identity)?;
        } else if !entry.file_type()?.is_symlink() {
            identity.change_owner(&entry.path())?;
        }
    }
    Ok(())
}
