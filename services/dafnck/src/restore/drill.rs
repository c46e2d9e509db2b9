//! `dafnck drill`: whether the backup can be restored, found out by restoring it.
//!
//! A mark is set in the running suite, the backup is restored up to it in a directory that goes away again, and there every
//! file is compared with its hash and every table with what it was. A table that was written to just when the mark was
//! set is compared by nobody; the next drill meets another moment.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use anyhow::ensure;
use chrono::Utc;
use clap::Args;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::{FilesReport, RestoreOptions, Sessions, Tables, Target, all_fingerprints};
use crate::backup::Job;
use crate::backup::directory::BackupDirectory;
use crate::backup::server::BackupServer;
use crate::backup::settings::BackupSettings;
use crate::backup::status::{OK, Status};
use crate::output::{self, DryRun, say};
use crate::paths::LocalSuite;

/// Which suite.
#[derive(Args, Clone, Debug)]
pub struct DrillOptions {
    /// The suite.
    #[command(flatten)]
    pub place: LocalSuite,
}

/// What a drill has compared.
#[derive(Clone, Debug, Serialize)]
pub struct DrillReport {
    /// Tables that are equal, and their rows.
    pub tables: usize,
    /// See `tables`.
    pub rows: i64,
    /// Tables that were in motion when the mark was set.
    pub in_motion: Vec<String>,
    /// The files.
    pub files: FilesReport,
    /// How long it took.
    pub seconds: f64,
}

/// Tries a restore and prints what was found.
///
/// # Errors
/// When the backup cannot be restored as it should; also noted in the backup's status.
pub async fn command(options: &DrillOptions) -> anyhow::Result<()> {
    let settings = BackupSettings::read(&options.place.data_directory)?;
    let settings =
        settings.ok_or_else(|| anyhow::anyhow!("this suite has no backup: run `dafnck backup`"))?;
    let job = Job::open_local(&options.place, settings).await?;
    let report = run(&job.server, &options.place).await?;
    output::report(&report)
}

impl fmt::Display for DrillReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tables, rows, in_motion, files: FilesReport { objects, bytes, .. }, seconds } = self;
        let compared = format!("{tables} tables with {rows} rows and {objects} objects with {bytes} bytes");
        writeln!(out, "restored in {seconds:.1} s: {compared} are as they were")?;
        if in_motion.is_empty() {
            return Ok(());
        }
        writeln!(out, "not compared, because they were being written to: {}", in_motion.join(", "))
    }
}

/// Tries a restore of this running suite, and notes the outcome.
///
/// # Errors
/// When the backup cannot be restored as it should.
pub async fn run(server: &BackupServer, place: &LocalSuite) -> anyhow::Result<DrillReport> {
    let (report, seconds) = note(&server.directory, try_restore(server, place)).await?;
    Ok(DrillReport { seconds, ..report })
}

/// Awaits a drill and notes its outcome; also answers with how many seconds it took.
///
/// # Errors
/// Those of the drill.
pub async fn note<T>(
    directory: &BackupDirectory,
    drill: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, f64)> {
    let began = Instant::now();
    let outcome = drill.await;
    let seconds = began.elapsed().as_secs_f64();
    let _lock = directory.lock().await?;
    Status::update(directory, |status| {
        status.last_drill_at = Some(Utc::now());
        status.last_drill_seconds = Some(seconds);
        match &outcome {
            Ok(_) => {
                status.last_drill_success_at = status.last_drill_at;
                status.last_drill_outcome = Some(OK.to_owned());
            }
            Err(error) => status.last_drill_outcome = Some(format!("{error:#}")),
        }
    })?;
    Ok((outcome?, seconds))
}

async fn try_restore(server: &BackupServer, place: &LocalSuite) -> anyhow::Result<DrillReport> {
    say("setting a mark in the WAL…");
    let (point, before, after) = set_mark(server, place).await?;
    // The servers' user, another one when root runs us, passes through.
    let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o711)).tempdir()?;
    let into = scratch.path().join("restored");
    let options = RestoreOptions {
        at: Target::Point(point),
        into: into.clone(),
        backup_directory: Some(server.directory.root().to_owned()),
        data_directory: place.data_directory.clone(),
        cache_directory: place.cache_directory.clone(),
        postgres_bin_dir: Some(server.origin.programs.clone()),
        sessions: Sessions::Keep,
        // A drill writes to no bucket.
        bucket: Default::default(),
        dry_run: DryRun::default(),
    };
    let (restored, files) = super::restore(&options).await?;
    say("comparing what was restored…");
    let found = all_fingerprints(async |name: String| restored.connect(&name).await).await;
    restored.stop().await?;
    super::refuse_damage(&files.damage)?;
    compare(&before, &after, &found?, files)
}

/// Sets the mark, with what the tables held before and after it, and waits until it is in the backup.
async fn set_mark(server: &BackupServer, place: &LocalSuite) -> anyhow::Result<(String, Tables, Tables)> {
    let point = format!("dafnck-drill-{}", Uuid::now_v7().simple());
    let connect = async |name: String| server.origin.connect_to(&name).await;
    let before = all_fingerprints(connect).await?;
    let mark = sql_query("SELECT pg_create_restore_point($1)").bind::<Text, _>(&point);
    mark.execute(&mut server.origin.connect().await?).await?;
    let after = all_fingerprints(connect).await?;
    let settings = BackupSettings { directory: server.directory.root().to_owned(), mirror: None };
    Job::open_local(place, settings).await?.catch_up(true).await?;
    Ok((point, before, after))
}

fn compare(
    before: &Tables,
    after: &Tables,
    found: &Tables,
    files: FilesReport,
) -> anyhow::Result<DrillReport> {
    let mut report = DrillReport { tables: 0, rows: 0, in_motion: Vec::new(), files, seconds: 0.0 };
    let mut different = Vec::new();
    for (name, was) in before {
        if after.get(name) != Some(was) {
            report.in_motion.push(name.clone());
        } else if found.get(name) != Some(was) {
            different.push(name.as_str());
        } else {
            report.tables += 1;
            report.rows += was.rows;
        }
    }
    ensure!(different.is_empty(), "these tables are not as they were: {}", different.join(", "));
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::Fingerprint;

    fn tables(rows: [i64; 2]) -> Tables {
        let of = |rows: i64| Fingerprint { rows, hash: rows.to_string() };
        [("task.tasks".to_owned(), of(rows[0])), ("task.task_tags".to_owned(), of(rows[1]))].into()
    }

    #[test]
    fn only_what_stood_still_is_compared() {
        let compare = |before, after, found| {
            compare(&tables(before), &tables(after), &tables(found), FilesReport::default())
        };
        assert_eq!(compare([1, 2], [1, 2], [1, 2]).unwrap().rows, 3);
        assert_eq!(compare([1, 2], [1, 3], [1, 3]).unwrap().in_motion, ["task.task_tags"]);
        let refusal = compare([1, 2], [1, 2], [1, 1]).unwrap_err().to_string();
        assert_eq!(refusal, "these tables are not as they were: task.task_tags");
    }
}
