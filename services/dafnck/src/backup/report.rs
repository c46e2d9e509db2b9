//! What can be restored, for whoever asks.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::catalog::{self, BaseBackup};
use super::directory::BackupDirectory;
use super::settings::BackupSettings;
use super::status::Status;

/// What a backup directory holds.
#[derive(Serialize)]
pub(super) struct BackupReport {
    directory: PathBuf,
    /// The base backup that was made now, if one was.
    made: Option<BaseBackup>,
    backups: Vec<BaseBackup>,
    /// Any moment between these can be restored.
    window: Option<[DateTime<Utc>; 2]>,
    status: Status,
}

impl BackupReport {
    /// Of the directory that these settings name.
    pub(super) fn of(settings: &BackupSettings) -> anyhow::Result<Self> {
        let directory = BackupDirectory::open(&settings.directory)?;
        let status = Status::read(&directory)?;
        let end = status.last_wal_at.min(status.last_files_at);
        Ok(Self {
            directory: directory.root().to_owned(),
            made: None,
            backups: catalog::base_backups(&directory)?,
            window: status.window_start.zip(end).map(|(start, end)| [start, end]),
            status,
        })
    }

    /// The same, beside what was made now.
    pub(super) fn with_made(self, made: BaseBackup) -> Self {
        Self { made: Some(made), ..self }
    }
}

impl fmt::Display for BackupReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(BaseBackup { id, size, .. }) = &self.made {
            writeln!(out, "backed up as {id} ({size} bytes of database)")?;
        }
        writeln!(out, "in {}:", self.directory.display())?;
        for BaseBackup { id, size, end_time, .. } in &self.backups {
            writeln!(out, "  {id}  {size} bytes, complete at {}", end_time.to_rfc3339())?;
        }
        if let Some([start, end]) = &self.window {
            writeln!(out, "any moment can be restored from {} to {}", start.to_rfc3339(), end.to_rfc3339())?;
        }
        let status = serde_json::to_string_pretty(&self.status).map_err(|_| fmt::Error)?;
        writeln!(out, "{status}")
    }
}

/// The suite is backed up no longer.
#[derive(Serialize)]
pub(super) struct BackupOff {
    /// What stays.
    pub(super) directory: PathBuf,
}

impl fmt::Display for BackupOff {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "the suite is backed up no longer; {} stays as it is", self.directory.display())
    }
}
