//! A PostgreSQL that runs elsewhere, for `dafnck backup schedule` on a backup server. Barman is installed beside it.

use std::path::PathBuf;

use anyhow::ensure;
use chrono::TimeDelta;
use clap::Args;
use content::storage::{BucketOptions, FileLimits, Storage, StorageOptions};
use shared::config::Secret;

use super::Job;
use super::directory::SERVER;
use super::origin::Origin;
use super::server::BarmanSource;
use super::settings::BackupSettings;
use super::timetable::Timetable;

/// Which PostgreSQL and which files, and when.
#[derive(Args, Clone, Debug)]
pub struct ScheduleOptions {
    /// PostgreSQL URL of a role that may replicate, and read settings and statistics
    #[arg(long, value_name = "URL", env = "DAFNCK_BACKUP_URL", hide_env_values = true)]
    postgres_url: Secret,
    /// Directory with the programs of PostgreSQL, of the server's version
    #[arg(long, value_name = "DIRECTORY", env = "DAFNCK_POSTGRES_BIN_DIR")]
    postgres_bin_dir: PathBuf,
    /// Directory in which the content service keeps files. Not used with --storage-url
    #[arg(long, env = "DAFNCK_STORAGE_DIRECTORY", default_value = ".local/files")]
    storage_directory: PathBuf,
    /// Hour (UTC) from which the day's base backup is made
    #[arg(long, env = "DAFNCK_BACKUP_HOUR", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..24))]
    hour: u8,
    /// Day of the week, 1 is Monday, on which a restore is tried, an hour after the base backup
    #[arg(long, env = "DAFNCK_DRILL_DAY", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=7))]
    drill_day: u8,
    /// Program that tries a restore; it is given `barman` and the name of the server there, and its exit code tells
    #[arg(long, env = "DAFNCK_DRILL_PROGRAM", default_value = "try-restore")]
    drill_program: PathBuf,
}

/// A PostgreSQL that runs elsewhere, and where it is backed up to.
pub struct Elsewhere {
    options: ScheduleOptions,
    bucket: BucketOptions,
    settings: BackupSettings,
}

impl Elsewhere {
    pub(super) fn new(options: ScheduleOptions, bucket: BucketOptions, settings: BackupSettings) -> Self {
        Self { options, bucket, settings }
    }

    pub(super) fn settings(&self) -> BackupSettings {
        self.settings.clone()
    }

    pub(super) async fn open(&self, settings: BackupSettings) -> anyhow::Result<Job> {
        let origin = Origin::elsewhere(&self.options.postgres_url, &self.options.postgres_bin_dir)?;
        let storage = Storage::open(&StorageOptions {
            storage_directory: self.options.storage_directory.clone(),
            bucket: self.bucket.clone(),
            limits: FileLimits::default(),
        })?;
        Job::open(origin, storage, settings, BarmanSource::Installed).await
    }

    pub(super) fn timetable(&self) -> Timetable {
        let backup = TimeDelta::hours(self.options.hour.into());
        Timetable::At {
            backup,
            drill: TimeDelta::days(i64::from(self.options.drill_day) - 1) + backup + TimeDelta::hours(1),
        }
    }

    pub(super) async fn try_restore(&self) -> anyhow::Result<()> {
        let program = &self.options.drill_program;
        let mut command = tokio::process::Command::new(program);
        let status = command.args(["barman", SERVER]).kill_on_drop(true).status().await?;
        ensure!(status.success(), "{} says that the backup cannot be restored ({status})", program.display());
        Ok(())
    }
}
