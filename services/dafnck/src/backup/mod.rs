//! `dafnck backup`: the suite that runs on this machine, in a directory of its own: base backups and WAL through Barman,
//! the objects of the file store, and the suite's passwords and keys. `dafnck backup schedule` does the same for a PostgreSQL
//! that runs elsewhere, without passwords and keys.
//!
//! Promises: the database is backed up before the files, and a file is kept for as long as a moment that can be restored
//! refers to it; so for every moment from the end of the oldest base backup to the last catching up there are all rows,
//! all files and the keys. What is copied is compared by hash. A run that is killed leaves what was there before as it
//! was. One run works in a directory at a time.
//!
//! The first run turns the backup on: from then on the suite, whenever it runs, follows with its log and files
//! ([`scheduler`]), makes a base backup a day and tries a restore a week.

pub mod catalog;
pub mod copies;
pub mod directory;
pub mod elsewhere;
pub mod files;
pub mod manifest;
pub mod mirror;
pub mod origin;
mod report;
pub mod scheduler;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod status;
pub mod timetable;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use content::storage::Storage;
use shared::service::cancel_on_signal;
use tokio_util::sync::CancellationToken;

use crate::output::{self, say};
use crate::paths::{DEFAULT_BACKUP_DIRECTORY, LocalSuite};
use catalog::BaseBackup;
use copies::Copies;
use directory::BackupDirectory;
use elsewhere::{Elsewhere, ScheduleOptions};
use origin::Origin;
use report::{BackupOff, BackupReport};
use scheduler::Suite;
use server::{BackupServer, BarmanSource};
use settings::BackupSettings;
use status::{OK, Status};

/// What `--help` says about the whole.
pub const HELP: &str = "\
The first backup turns backups on: from then on the running suite follows with
its log (within seconds) and its files (within 5 minutes), makes a base backup a
day, keeps what is needed to restore any moment of the last 30 days, and tries a
restore once a week (`dafnck drill`). `dafnck backup off` ends that.

The directory holds everybody's data and the suite's keys, readable by you alone.
Put it on another disk, or give --mirror.";

/// Which suite, and where to.
#[derive(Args, Clone, Debug)]
pub struct BackupOptions {
    /// Directory for the backup; created if missing. Default: the one of the last time, else .local/backup
    #[arg(long, env = "DAFNCK_BACKUP_DIRECTORY", global = true)]
    pub backup_directory: Option<PathBuf>,
    /// Directory that is kept equal to the backup directory, on another disk. Default: the one of the last time, else none
    #[arg(long, env = "DAFNCK_MIRROR", global = true)]
    pub mirror: Option<PathBuf>,
    /// Which suite, and with what.
    #[command(flatten)]
    pub place: LocalSuite,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Make a backup (the default)
    Now,
    /// Take over files and log up to now, as the running suite does by itself every 5 minutes
    Follow,
    /// Show what can be restored, and what became of the last runs
    List,
    /// Back the suite up no longer; the backup directory stays
    Off,
    /// Back up a PostgreSQL that runs elsewhere, until this is ended: for a backup server
    Schedule(ScheduleOptions),
}

/// A suite and where it is backed up to.
pub(crate) struct Job {
    pub(crate) server: BackupServer,
    pub(crate) settings: BackupSettings,
    storage: Storage,
}

/// Does what the options say and prints what was done.
///
/// # Errors
/// When there is no backup in the end.
pub async fn command(options: &BackupOptions) -> anyhow::Result<()> {
    match &options.action {
        None | Some(Action::Now) => now(options).await,
        Some(Action::Follow) => follow(options).await,
        Some(Action::List) => output::report(&BackupReport::of(&options.settings()?)?),
        Some(Action::Off) => off(options).await,
        Some(Action::Schedule(elsewhere)) => schedule(elsewhere, options).await,
    }
}

impl BackupOptions {
    /// Whether this goes on until it is told to end.
    pub fn is_server(&self) -> bool {
        matches!(self.action, Some(Action::Schedule(_)))
    }

    /// As said, else as the last time.
    fn settings(&self) -> anyhow::Result<BackupSettings> {
        let last = BackupSettings::read(&self.place.data_directory)?;
        let absolute = |directory: &PathBuf| std::path::absolute(directory);
        let said = self.backup_directory.as_ref().map(absolute).transpose()?;
        let directory = said.or_else(|| last.as_ref().map(|last| last.directory.clone()));
        let second = self.mirror.as_ref().map(absolute).transpose()?;
        let settings = BackupSettings {
            directory: directory.map_or_else(|| std::path::absolute(DEFAULT_BACKUP_DIRECTORY), Ok)?,
            mirror: second.or_else(|| last.and_then(|last| last.mirror)),
        };
        settings.refuse_nested(&self.place.data_directory)?;
        Ok(settings)
    }
}

async fn now(options: &BackupOptions) -> anyhow::Result<()> {
    let settings = options.settings()?;
    let job = Job::open_local(&options.place, settings).await?;
    // The suite finds one due as well.
    let _lock = job.server.directory.lock_base_backups().await?;
    job.server.ensure_slot().await?;
    // On from here: whatever happens to this run, the suite goes on with WAL.
    job.turn_on(&options.place.data_directory).await?;
    say("making a base backup…");
    let made = job.back_up().await?;
    output::report(&BackupReport::of(&job.settings)?.with_made(made))
}

async fn follow(options: &BackupOptions) -> anyhow::Result<()> {
    let job = Job::open_local(&options.place, options.settings()?).await?;
    job.turn_on(&options.place.data_directory).await?;
    say("taking over files and WAL…");
    job.catch_up(true).await?;
    let lock = job.server.directory.lock_base_backups().await?;
    job.copy_to_mirror().await?;
    drop(lock);
    output::report(&BackupReport::of(&job.settings)?)
}

async fn off(options: &BackupOptions) -> anyhow::Result<()> {
    let settings = options.settings()?;
    BackupSettings::remove(&options.place.data_directory)?;
    let directory = BackupDirectory::make(&settings.directory)?;
    let origin = Origin::local(&options.place.data_directory)?;
    let source = BarmanSource::Cache(&options.place.cache_directory);
    let server = BackupServer::open(directory, origin, source).await?;
    server.wait_until_not_received().await?;
    server.drop_slot().await?;
    output::report(&BackupOff { directory: settings.directory })
}

/// Backs up until the process is told to end.
async fn schedule(elsewhere: &ScheduleOptions, options: &BackupOptions) -> anyhow::Result<()> {
    let elsewhere = Elsewhere::new(elsewhere.clone(), options.place.bucket.clone(), options.settings()?);
    let shutdown = CancellationToken::new();
    let follow = scheduler::follow(Suite::Elsewhere(elsewhere), shutdown.clone());
    let (receiver, ()) = futures::join!(follow, cancel_on_signal(shutdown));
    match receiver {
        Some(receiver) => receiver.end(Duration::ZERO).await,
        None => Ok(()),
    }
}

impl Job {
    /// The running suite of this place.
    pub(crate) async fn open_local(place: &LocalSuite, settings: BackupSettings) -> anyhow::Result<Self> {
        let origin = Origin::local(&place.data_directory)?;
        Self::open(origin, place.storage()?, settings, BarmanSource::Cache(&place.cache_directory)).await
    }

    async fn open(
        origin: Origin,
        storage: Storage,
        settings: BackupSettings,
        source: BarmanSource<'_>,
    ) -> anyhow::Result<Self> {
        let directory = BackupDirectory::make(&settings.directory)?;
        let server = BackupServer::open(directory, origin, source).await?;
        Ok(Self { server, settings, storage })
    }

    /// Has the suite fetch its WAL into this directory. If it does not, the former settings hold.
    async fn turn_on(&self, data_directory: &Path) -> anyhow::Result<()> {
        let former = BackupSettings::read(data_directory)?;
        let goes_elsewhere =
            former.as_ref().is_some_and(|former| former.directory != self.settings.directory);
        let former_receiver = if goes_elsewhere { self.server.receiver().await? } else { None };
        self.settings.write(data_directory)?;
        let received = self.server.wait_until_received_by_other(former_receiver).await;
        if received.is_err() {
            match former {
                Some(former) => former.write(data_directory)?,
                None => BackupSettings::remove(data_directory)?,
            }
        }
        received
    }

    /// A base backup and everything that belongs to it. WAL is being received, and base backups are locked.
    ///
    /// # Errors
    /// When it did not come about; also noted in the status.
    pub(crate) async fn back_up(&self) -> anyhow::Result<BaseBackup> {
        let directory = &self.server.directory;
        let begun_at = Utc::now();
        let made = self.base_backup().await;
        let lock = directory.lock().await?;
        Status::update(directory, |status| {
            status.last_backup_attempt_at = Some(begun_at);
            match &made {
                Ok(made) => {
                    status.last_backup_at = Some(made.end_time);
                    status.last_backup_id = Some(made.id.clone());
                    status.last_backup_outcome = Some(OK.to_owned());
                }
                Err(error) => status.last_backup_outcome = Some(format!("{error:#}")),
            }
        })?;
        let made = made?;
        drop(lock);
        self.catch_up(true).await?;
        self.prune().await?;
        self.copy_to_mirror().await?;
        Ok(made)
    }

    async fn base_backup(&self) -> anyhow::Result<BaseBackup> {
        let lock = self.server.directory.lock().await?;
        self.keep_secrets()?;
        self.server.wait_for_wal().await?;
        drop(lock);
        self.server.base_backup().await
    }

    /// Removes what no moment of the window needs.
    async fn prune(&self) -> anyhow::Result<()> {
        let directory = &self.server.directory;
        let _lock = directory.lock().await?;
        self.server.prune().await?;
        if let Some(oldest) = catalog::base_backups(directory)?.first() {
            files::prune(&mut Copies::in_directory(directory.root())?, oldest.end_time).await?;
            Status::update(directory, |status| status.window_start = Some(oldest.end_time))?;
        }
        Ok(())
    }

    fn keep_secrets(&self) -> anyhow::Result<()> {
        let Some(source) = &self.server.origin.secrets else { return Ok(()) };
        secrets::keep(&self.server.directory, source, Utc::now())
    }

    /// Takes over what has happened since: files, then WAL up to a mark. `finish` as for [`BackupServer::mark`].
    ///
    /// # Errors
    /// When something does not arrive; what did stays.
    pub(crate) async fn catch_up(&self, finish: bool) -> anyhow::Result<()> {
        let directory = &self.server.directory;
        let _lock = directory.lock().await?;
        self.keep_secrets()?;
        let looked_at = Utc::now();
        let mut copies = Copies::in_directory(directory.root())?;
        files::sync(&self.storage, &mut copies, looked_at).await?;
        copies.set_synced_at(looked_at).await?;
        Status::update(directory, |status| status.last_files_at = Some(looked_at))?;
        let marked_at: DateTime<Utc> = self.server.mark(finish).await?;
        self.server.archive().await?;
        Status::update(directory, |status| status.last_wal_at = Some(marked_at))
    }

    /// Makes the mirror equal, if there is one. Base backups are locked.
    ///
    /// # Errors
    /// When it cannot; also noted in the status.
    pub(crate) async fn copy_to_mirror(&self) -> anyhow::Result<()> {
        let Some(second) = &self.settings.mirror else { return Ok(()) };
        let directory = &self.server.directory;
        let _lock = directory.lock().await?;
        let copied = mirror::copy(directory, second).await;
        Status::update(directory, |status| {
            status.mirror = Some(second.display().to_string());
            match &copied {
                Ok(()) => {
                    status.last_mirror_at = Some(Utc::now());
                    status.last_mirror_outcome = Some(OK.to_owned());
                }
                Err(error) => status.last_mirror_outcome = Some(format!("{error:#}")),
            }
        })?;
        copied.context("the backup is made, but the mirror is not equal to it")
    }
}
