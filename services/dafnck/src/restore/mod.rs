//! `dafnck restore`: a suite as it was at a moment, in a fresh directory.
//!
//! Promises: nothing that exists is overwritten; what a killed or failed restore leaves is not taken for a suite; a
//! moment that the backup does not reach is refused, with the window that it does reach; every part of the backup that is
//! used is compared with its hash, and every file with what the restored database knows of it. Nobody is signed in
//! afterwards, unless asked for: what was revoked after the moment would work again. Redis needs nothing: it begins empty.

mod database;
pub mod drill;
pub(crate) mod files;
mod report;
mod target;
mod wal;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use content::storage::BucketOptions;
use diesel_async::AsyncPgConnection;
use local_servers::suite::DatabaseTopology;
use local_servers::{Barman, PendingRestore, RestoredPostgres};

pub use database::{Fingerprint, Tables, all_fingerprints, databases};
pub use files::FilesReport;
use report::{RestorePlan, RestoreReport};
pub use target::Target;

use crate::backup::catalog::{self, BaseBackup};
use crate::backup::copies::CopyReader;
use crate::backup::directory::{BackupDirectory, SERVER};
use crate::backup::secrets::SecretsSnapshot;
use crate::backup::server::{self, BarmanSource};
use crate::backup::settings::BackupSettings;
use crate::backup::status::Status;
use crate::end_sessions::{self, EndedCredentials};
use crate::output::{self, DryRun, say};
use crate::paths::{DATABASE, DEFAULT_BACKUP_DIRECTORY, LocalSuite, refuse_nested};
use crate::suite_settings::{BucketSettings, SuiteSettings};

/// Marker file: the restore of this directory is incomplete.
const UNFINISHED: &str = "restoring";
/// Weeks of WAL may have to be copied.
const COPY_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);

/// What `--help` says about the end.
pub const HELP: &str = "\
Then start the suite on the directory: `dafnck --data-directory DIRECTORY`, and turn its
backups on with `dafnck backup --data-directory DIRECTORY`. Everybody signs in again, unless
--sessions keep was given; programs need new API tokens.

Exit code 0: everything is as it was. Exit code 1: nothing was restored, or files
are missing or damaged, which the message names; the database is then restored.";

/// From where to where, and up to which moment.
#[derive(Args, Clone, Debug)]
pub struct RestoreOptions {
    /// The moment, as 2026-11-25T01:36:40Z (everything that was committed by then), or `latest`
    #[arg(long, value_name = "TIME")]
    pub at: Target,
    /// Directory for the restored data; must be empty or missing
    #[arg(long, value_name = "DIRECTORY")]
    pub into: PathBuf,
    /// The backup directory, or its mirror. Default: the one that the data directory remembers, else .local/backup
    #[arg(long, env = "DAFNCK_BACKUP_DIRECTORY")]
    pub backup_directory: Option<PathBuf>,
    /// Data directory of the suite that was backed up, if it is still there.
    #[arg(from_global)]
    pub data_directory: PathBuf,
    /// Directory for private copies of programs.
    #[arg(from_global)]
    pub cache_directory: PathBuf,
    /// Directory with the programs of PostgreSQL, of the version that made the backup. Default: an installed one, else a
    /// private copy
    #[arg(long, env = "DAFNCK_POSTGRES_BIN_DIR")]
    pub postgres_bin_dir: Option<PathBuf>,
    /// What becomes of sessions, API tokens and codes: those that were ended after the moment would work again
    #[arg(long, value_enum, default_value_t)]
    pub sessions: Sessions,
    /// S3 for the files, instead of the directory.
    #[command(flatten)]
    pub bucket: BucketOptions,
    /// See what can be restored.
    #[command(flatten)]
    pub dry_run: DryRun,
}

/// What becomes of sessions, API tokens and codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sessions {
    /// They end, and everybody signs in again.
    #[default]
    End,
    /// They are as they were at the moment.
    Keep,
}

/// Restores and prints what was done.
///
/// # Errors
/// When nothing was restored, or something that was is missing or damaged.
pub async fn command(options: &RestoreOptions) -> anyhow::Result<()> {
    if options.dry_run.dry_run {
        return output::report(&plan(options)?);
    }
    let (restored, FilesReport { objects, bytes, damage, .. }) = restore(options).await?;
    let remembered = restored.remember(options).await;
    let ended = restored.end_sessions(options.sessions).await;
    restored.stop().await?;
    let (ended, ()) = (ended?, remembered?);
    finish(&options.into)?;
    let report = RestoreReport { into: options.into.clone(), objects, bytes, damage, ended };
    output::report(&report)?;
    refuse_damage(&report.damage)
}

/// A restored suite whose database runs.
pub(crate) struct RestoredSuite {
    postgres: RestoredPostgres,
    /// Locked, so that nobody takes the directory for one that an interrupted restore has left.
    _unfinished: File,
}

/// The data directory is a suite's from now on.
pub(crate) fn finish(data_directory: &Path) -> anyhow::Result<()> {
    fs::remove_file(data_directory.join(UNFINISHED)).context("cannot finish the restore")
}

/// Refuses a data directory whose restore has not come to its end.
///
/// # Errors
/// When it has not.
pub fn refuse_unfinished(data_directory: &Path) -> anyhow::Result<()> {
    let unfinished = data_directory.join(UNFINISHED).exists();
    ensure!(
        !unfinished,
        "{} is what an unfinished restore has left: restore into it again, or remove it",
        data_directory.display()
    );
    Ok(())
}

pub(crate) fn refuse_damage(damage: &[String]) -> anyhow::Result<()> {
    ensure!(
        damage.is_empty(),
        "the database is restored, but not all files are whole:\n  {}",
        damage.join("\n  ")
    );
    Ok(())
}

/// Restores into the directory, whose database then runs. After a failure the directory is empty again.
pub(crate) async fn restore(options: &RestoreOptions) -> anyhow::Result<(RestoredSuite, FilesReport)> {
    let (directory, backup) = find_backup(options)?;
    let unfinished = make_empty(&options.into)?;
    let outcome = restore_into(options, &directory, &backup, unfinished).await;
    if outcome.is_err() {
        clear(&options.into)?;
        finish(&options.into)?;
    }
    outcome
}

/// What would be restored; refuses what a restore would refuse before it begins.
fn plan(options: &RestoreOptions) -> anyhow::Result<RestorePlan> {
    let (directory, backup) = find_backup(options)?;
    refuse_used(&options.into)?;
    let log = catalog::check_wal(&directory, &backup);
    if options.at == Target::Latest {
        log?;
    }
    Ok(RestorePlan {
        into: options.into.clone(),
        window: window(&directory)?,
        base_backup: backup.id,
        base_backup_bytes: backup.size,
        base_backup_end: backup.end_time,
    })
}

/// The base backup that is to be restored.
fn find_backup(options: &RestoreOptions) -> anyhow::Result<(BackupDirectory, BaseBackup)> {
    let path = match &options.backup_directory {
        Some(given) => given.clone(),
        None => BackupSettings::read(&options.data_directory)?
            .map_or_else(|| DEFAULT_BACKUP_DIRECTORY.into(), |settings| settings.directory),
    };
    refuse_nested(("the directory for the restored data", &options.into), ("the backup", &path))?;
    let directory = BackupDirectory::open(&path)?;
    let backups = catalog::base_backups(&directory)?;
    let backup = choose(&directory, &backups, &options.at)?;
    Ok((directory, backup))
}

async fn restore_into(
    options: &RestoreOptions,
    directory: &BackupDirectory,
    backup: &BaseBackup,
    unfinished: File,
) -> anyhow::Result<(RestoredSuite, FilesReport)> {
    let moment = if let Target::Time(time) = options.at { time } else { DateTime::<Utc>::MAX_UTC };
    let secrets = SecretsSnapshot::at(directory, moment)?;
    secrets.restore_suite(&options.into)?;
    let place = PendingRestore::make(
        &options.into,
        &secrets.servers,
        &options.cache_directory,
        options.postgres_bin_dir.as_deref(),
        say,
    )
    .await?;
    server::verify(directory, backup, place.programs()).await?;
    let work = tempfile::tempdir()?;
    let source = BarmanSource::Cache(&options.cache_directory);
    let barman = server::barman(directory, work.path(), None, place.programs(), source).await?;
    archive_received_wal(directory, &barman).await?;
    let log = catalog::check_wal(directory, backup);
    // For the very end, nothing may be missing. A moment before a gap can be restored all the same.
    if options.at == Target::Latest {
        log.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    }
    say(&format!("copying the base backup {} and WAL since then…", backup.id));
    copy_base(options, backup, &place, &barman).await?;
    wal::copy_newest(directory, backup, &barman, &place.postgres().join("barman_wal")).await?;
    say("replaying WAL…");
    let recovered = place.recover(say).await;
    let restored = match (recovered, log) {
        (Ok(postgres), _) => RestoredSuite { postgres, _unfinished: unfinished },
        (Err(error), Err(log)) => bail!("{log:#}. {}\n{error:#}", window(directory)?),
        (Err(error), Ok(())) => bail!("{}\n{error:#}", window(directory)?),
    };
    say("putting the files back…");
    match restored.files(directory, options).await {
        Ok(report) => Ok((restored, report)),
        Err(error) => {
            restored.stop().await?;
            Err(error)
        }
    }
}

/// The last base backup before the target.
fn choose(
    directory: &BackupDirectory,
    backups: &[BaseBackup],
    target: &Target,
) -> anyhow::Result<BaseBackup> {
    let backup = match target {
        Target::Time(time) => {
            ensure!(*time <= Utc::now(), "{} is yet to come. {}", time.to_rfc3339(), window(directory)?);
            backups.iter().rev().find(|backup| backup.end_time <= *time)
        }
        Target::Point(_) | Target::Latest => backups.last(),
    };
    match backup {
        Some(backup) => Ok(backup.clone()),
        None => bail!("no base backup is that old. {}", window(directory)?),
    }
}

/// A sentence on what can be restored.
fn window(directory: &BackupDirectory) -> anyhow::Result<String> {
    let status = Status::read(directory)?;
    let start = catalog::base_backups(directory)?.first().map(|backup| backup.end_time);
    Ok(match (start, status.last_wal_at) {
        (Some(start), Some(end)) => format!(
            "The backup reaches from {} to {}; `--at latest` takes what there is after that",
            start.to_rfc3339(),
            end.to_rfc3339()
        ),
        _ => "The backup holds no whole base backup".to_owned(),
    })
}

/// A data directory of which it is known that it is not finished, while the file is locked. What an interrupted restore has
/// left is removed.
fn make_empty(into: &Path) -> anyhow::Result<File> {
    // Passed through by the servers' user, who is another one when root runs us.
    let made = DirBuilder::new().recursive(true).mode(0o755).create(into);
    made.with_context(|| format!("cannot make the directory {}", into.display()))?;
    refuse_used(into)?;
    let mark = OpenOptions::new().create(true).truncate(false).write(true).open(into.join(UNFINISHED))?;
    ensure!(mark.try_lock().is_ok(), "another restore into {} runs", into.display());
    clear(into)?;
    Ok(mark)
}

fn refuse_used(into: &Path) -> anyhow::Result<()> {
    if into.join(UNFINISHED).exists() {
        return Ok(());
    }
    for directory in [into, &local_servers::server_directory(into)?] {
        let is_empty = !directory.exists() || fs::read_dir(directory)?.next().is_none();
        ensure!(
            is_empty,
            "{} is not empty: give a new directory, nothing is overwritten",
            directory.display()
        );
    }
    Ok(())
}

/// Removes what a restore has made, but the mark that it is not finished.
fn clear(into: &Path) -> anyhow::Result<()> {
    for directory in [&local_servers::server_directory(into)?, into] {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries.filter(|path| !path.ends_with(UNFINISHED)) {
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// WAL segments that have arrived, but that nobody has taken over yet.
async fn archive_received_wal(directory: &BackupDirectory, barman: &Barman) -> anyhow::Result<()> {
    let _lock = directory.lock().await?;
    let taken = barman.call(&["archive-wal", SERVER], COPY_TIMEOUT).await;
    taken.context("what has arrived of WAL cannot be taken over: is the backup directory writable?")?;
    catalog::record_wal(directory)
}

async fn copy_base(
    options: &RestoreOptions,
    backup: &BaseBackup,
    place: &PendingRestore,
    barman: &Barman,
) -> anyhow::Result<()> {
    let data = place.postgres();
    let data = data.to_str().context("the path is not UTF-8")?;
    let target = options.at.arguments();
    let mut arguments = vec!["restore"];
    arguments.extend(target.iter().map(String::as_str));
    arguments.extend([SERVER, backup.id.as_str(), data]);
    barman.call(&arguments, COPY_TIMEOUT).await.context("Barman could not restore").map(drop)
}

impl RestoredSuite {
    /// A connection as superuser.
    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<AsyncPgConnection> {
        shared::database::connect(&self.postgres.postgres.admin_url(database)).await
    }

    async fn files(
        &self,
        directory: &BackupDirectory,
        options: &RestoreOptions,
    ) -> anyhow::Result<FilesReport> {
        let place = LocalSuite {
            data_directory: options.into.clone(),
            cache_directory: options.cache_directory.clone(),
            bucket: options.bucket.clone(),
        };
        let storage = place.storage()?;
        let mut conn = self.connect_to(content::NAME).await?;
        let copies = CopyReader::in_directory(directory.root()).await?;
        files::Files::new(&copies, Some(&storage)).restore(&mut conn).await
    }

    /// A connection to the database that has the schema of this service.
    async fn connect_to(&self, service: &str) -> anyhow::Result<AsyncPgConnection> {
        for name in databases(async |name: String| self.connect(&name).await).await? {
            let mut conn = self.connect(&name).await?;
            if database::schemas(&mut conn).await?.iter().any(|schema| schema == service) {
                return Ok(conn);
            }
        }
        bail!("the backup holds no database of a suite")
    }

    /// Has the data directory remember in which form the suite runs, and where its files are.
    async fn remember(&self, options: &RestoreOptions) -> anyhow::Result<()> {
        let found = databases(async |name: String| self.connect(&name).await).await?;
        let is_one = found.iter().any(|name| name == DATABASE);
        let settings = SuiteSettings {
            databases: if is_one { DatabaseTopology::One } else { DatabaseTopology::Four },
            bucket: BucketSettings::of(&options.bucket),
            ..SuiteSettings::default()
        };
        settings.write(&options.into)
    }

    async fn end_sessions(&self, wanted: Sessions) -> anyhow::Result<EndedCredentials> {
        match wanted {
            Sessions::End => end_sessions::in_database(&mut self.connect_to(identity::NAME).await?).await,
            Sessions::Keep => Ok(EndedCredentials::default()),
        }
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.postgres.stop().await
    }
}
