//! The suite's own part in its backup: while it runs, its log is fetched as it is written, its files are followed, a base
//! backup is made each day and a restore is tried each week.
//!
//! Nothing happens before the first `dafnck backup`. Failures are told, noted in the status, and tried again; they stop
//! nothing else. A drill runs beside the rest, which goes on meanwhile, and ends with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use local_servers::WalReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Job;
use super::settings::BackupSettings;
use super::status::Status;
use crate::output::warn;
use crate::paths::LocalSuite;
use crate::restore::drill;

/// How often the suite looks whether it is to be backed up.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How far files may be behind, and the mark that tells how far the log is.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// After a failure.
const RETRY_DELAY: Duration = Duration::from_secs(60);
/// Between base backups.
pub const BACKUP_INTERVAL: TimeDelta = TimeDelta::hours(24);
/// Between drills.
pub const DRILL_INTERVAL: TimeDelta = TimeDelta::days(7);
/// After a drill that failed.
const DRILL_RETRY_INTERVAL: TimeDelta = TimeDelta::days(1);

/// Who fetches the WAL, and into which backup directory.
struct Receiving {
    receiver: WalReceiver,
    directory: PathBuf,
}

/// Follows until the suite stops. Answers with who still fetches the log: its end is written when the server stops.
pub async fn follow(place: LocalSuite, shutdown: CancellationToken) -> Option<WalReceiver> {
    let mut receiving: Option<Receiving> = None;
    // Whoever drops it ends the drill.
    let mut drill = JoinSet::new();
    let mut told = None;
    loop {
        let before = BackupSettings::read(&place.data_directory).ok();
        let outcome = tokio::select! {
            () = shutdown.cancelled() => return receiving.map(|receiving| receiving.receiver),
            outcome = follow_once(&place, &mut receiving, &mut drill) => outcome,
        };
        let rest = match outcome {
            Ok(rest) => {
                told = None;
                rest
            }
            Err(error) => {
                let sentence = format!("the backup does not follow: {error:#}");
                // At the terminal once, not each minute.
                if told.as_ref() != Some(&sentence) {
                    warn(&sentence);
                    told = Some(sentence);
                }
                RETRY_DELAY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return receiving.map(|receiving| receiving.receiver),
            () = settings_change(&place, &before, rest) => {}
        }
    }
}

/// One round; how long to rest after it.
async fn follow_once(
    place: &LocalSuite,
    receiving: &mut Option<Receiving>,
    drill: &mut JoinSet<()>,
) -> anyhow::Result<Duration> {
    let Some(settings) = BackupSettings::read(&place.data_directory)? else {
        if let Some(former) = receiving.take() {
            former.receiver.end(Duration::ZERO).await?;
        }
        return Ok(FOLLOW_INTERVAL);
    };
    let job = Job::open(place, settings).await?;
    let is_new = job.server.ensure_slot().await?;
    receive_into(&job, receiving).await?;
    let lock = job.server.directory.lock().await?;
    let status = Status::read(&job.server.directory)?;
    let due = Due::at(Utc::now(), &status);
    if is_new || due.backup {
        job.back_up().await?;
    } else {
        job.catch_up(false).await?;
        job.copy_to_mirror().await?;
    }
    drop(lock);
    while drill.try_join_next().is_some() {}
    if due.drill && drill.is_empty() {
        drill.spawn(try_restore(job, place.clone()));
    }
    Ok(FOLLOW_INTERVAL)
}

/// Sees to it that the WAL is fetched, and into the directory of these settings.
async fn receive_into(job: &Job, receiving: &mut Option<Receiving>) -> anyhow::Result<()> {
    let directory = &job.settings.directory;
    if let Some(mut former) = receiving.take() {
        if former.receiver.check().is_ok() {
            if former.directory == *directory {
                *receiving = Some(former);
                return Ok(());
            }
            former.receiver.end(Duration::ZERO).await?;
        }
        // PostgreSQL lets nobody else fetch before it has noticed the end.
        job.server.wait_until_not_received().await?;
    }
    let receiver = job.server.receive().await?;
    *receiving = Some(Receiving { receiver, directory: directory.clone() });
    Ok(())
}

async fn try_restore(job: Job, place: LocalSuite) {
    if let Err(error) = drill::run(&job.server, &place).await {
        warn(&format!("the backup could not be restored: {error:#}"));
    }
}

/// What is due beside following.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    backup: bool,
    drill: bool,
}

impl Due {
    fn at(now: DateTime<Utc>, status: &Status) -> Self {
        let is_due = |last: Option<DateTime<Utc>>, interval| {
            last.is_none_or(|last: DateTime<Utc>| now - last >= interval)
        };
        // The backup that turned this on tells that restoring works: the first drill is a week later, or by hand.
        let restored_at = status.last_drill_success_at.or(status.window_start);
        Self {
            backup: is_due(status.last_backup_at, BACKUP_INTERVAL),
            drill: is_due(restored_at, DRILL_INTERVAL) && is_due(status.last_drill_at, DRILL_RETRY_INTERVAL),
        }
    }
}

/// Returns after this time, and at once when the backup is turned on or off or goes elsewhere than before.
async fn settings_change(place: &LocalSuite, before: &Option<Option<BackupSettings>>, rest: Duration) {
    let until = Instant::now() + rest;
    while Instant::now() < until && BackupSettings::read(&place.data_directory).ok() == *before {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_each_day_and_a_drill_each_week_from_the_first_backup_on() {
        let now = Utc::now();
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        let due = |last_backup_at, window_start, drilled_at| {
            let [last_drill_at, last_drill_success_at] = [drilled_at; 2];
            let drills = Status { last_drill_at, last_drill_success_at, ..Status::default() };
            let Due { backup, drill } = Due::at(now, &Status { last_backup_at, window_start, ..drills });
            [backup, drill]
        };
        assert_eq!(due(None, None, None), [true, true]);
        assert_eq!(due(ago(23), ago(7 * 24 - 1), None), [false, false]);
        assert_eq!(due(ago(24), ago(7 * 24), None), [true, true]);
        assert_eq!(due(ago(1), ago(30 * 24), ago(7 * 24 - 1)), [false, false]);
        assert_eq!(due(ago(1), ago(30 * 24), ago(7 * 24)), [false, true]);
    }

    #[test]
    fn a_drill_that_failed_is_tried_again_after_a_day() {
        let now = Utc::now();
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        let is_due = |last_drill_success_at, last_drill_at| {
            let window_start = ago(20 * 24);
            let status = Status { window_start, last_drill_at, last_drill_success_at, ..Status::default() };
            Due::at(now, &status).drill
        };
        assert!(!is_due(None, ago(23)) && is_due(None, ago(24)));
        assert!(!is_due(ago(8 * 24), ago(23)) && is_due(ago(8 * 24), ago(24)));
    }
}
