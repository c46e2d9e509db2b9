//! What became of the last runs: `status.json`, and the same for Prometheus in `metrics.prom`.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::directory::BackupDirectory;
use crate::private_file::{read_json, write_private};

/// The outcome of a run that went well.
pub const OK: &str = "ok";

/// The state of a backup directory. Times are UTC (RFC 3339); what has not happened yet is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Status {
    /// The last base backup that succeeded, and its name.
    pub last_backup_at: Option<DateTime<Utc>>,
    /// See `last_backup_at`.
    pub last_backup_id: Option<String>,
    /// When one was last begun.
    pub last_backup_attempt_at: Option<DateTime<Utc>>,
    /// `ok`, or why the last attempt failed.
    pub last_backup_outcome: Option<String>,
    /// Everything that was committed by then is in the backup.
    pub last_wal_at: Option<DateTime<Utc>>,
    /// Every file that was stored by then is in the backup.
    pub last_files_at: Option<DateTime<Utc>>,
    /// The first moment that can be restored.
    pub window_start: Option<DateTime<Utc>>,
    /// Where the second copy is, and when it was last made equal.
    pub mirror: Option<String>,
    /// See `mirror`.
    pub last_mirror_at: Option<DateTime<Utc>>,
    /// `ok`, or why the last attempt failed.
    pub last_mirror_outcome: Option<String>,
    /// When restoring was last tried.
    pub last_drill_at: Option<DateTime<Utc>>,
    /// When it last succeeded.
    pub last_drill_success_at: Option<DateTime<Utc>>,
    /// `ok`, or what was found wrong.
    pub last_drill_outcome: Option<String>,
    /// How long the last one took.
    pub last_drill_seconds: Option<f64>,
}

impl Status {
    /// The state of this directory.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(directory: &BackupDirectory) -> anyhow::Result<Self> {
        Ok(Self::find(directory.root())?.unwrap_or_default())
    }

    /// The state of the backup in a directory; `None` if there is none.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn find(directory: &Path) -> anyhow::Result<Option<Self>> {
        read_json(&directory.join("status.json"))
    }

    /// Changes the state of this directory; its lock is held.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn update(directory: &BackupDirectory, change: impl FnOnce(&mut Self)) -> anyhow::Result<()> {
        let mut status = Self::read(directory)?;
        change(&mut status);
        write_private(&directory.root().join("status.json"), &serde_json::to_vec_pretty(&status)?)?;
        write_private(&directory.root().join("metrics.prom"), status.metrics().as_bytes())
    }

    /// In the text format of Prometheus, as the node exporter's textfile collector reads it.
    pub fn metrics(&self) -> String {
        let times = [
            ("backup_last_success", self.last_backup_at),
            ("backup_log_last", self.last_wal_at),
            ("backup_files_last", self.last_files_at),
            ("backup_mirror_last", self.last_mirror_at),
            ("backup_drill_last", self.last_drill_at),
            ("backup_drill_last_success", self.last_drill_success_at),
            ("backup_window_start", self.window_start),
        ];
        let failures = [
            ("backup_failed", &self.last_backup_outcome),
            ("backup_mirror_failed", &self.last_mirror_outcome),
            ("backup_drill_failed", &self.last_drill_outcome),
        ];
        let times = times
            .into_iter()
            .filter_map(|(name, at)| Some((format!("dafnck_{name}_timestamp_seconds"), at?.timestamp())));
        let failures = failures.into_iter().filter_map(|(name, outcome)| {
            Some((format!("dafnck_{name}"), i64::from(outcome.as_deref()? != OK)))
        });
        times.chain(failures).map(|(name, value)| format!("# TYPE {name} gauge\n{name} {value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitoring_reads_what_happened_and_nothing_of_what_did_not() {
        let status = Status {
            last_backup_at: DateTime::from_timestamp(1_795_570_593, 0),
            last_drill_outcome: Some("a table differs".to_owned()),
            ..Default::default()
        };
        let expected = "# TYPE dafnck_backup_last_success_timestamp_seconds gauge\n\
            dafnck_backup_last_success_timestamp_seconds 1795570593\n\
            # TYPE dafnck_backup_drill_failed gauge\ndafnck_backup_drill_failed 1\n";
        assert_eq!(status.metrics(), expected);
    }
}
