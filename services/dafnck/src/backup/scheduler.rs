//! What keeps backups going: the log is fetched as it is written, files are followed, a base backup is made each day and a
//! restore is tried each week. A local suite does this for itself while it runs; a backup server does it for one elsewhere.
//!
//! For a local suite, nothing happens before the first `dafnck backup`. Failures are printed, noted in the status, and tried
//! again; they stop nothing else. A base backup or a drill runs beside the rest, which goes on meanwhile, and ends with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use local_servers::WalReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Job;
use super::schedule::Elsewhere;
use super::settings::BackupSettings;
use super::status::{OK, Status};
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
/// After a base backup that failed.
const BACKUP_RETRY_INTERVAL: TimeDelta = TimeDelta::hours(1);
/// After a drill that failed.
const DRILL_RETRY_INTERVAL: TimeDelta = TimeDelta::days(1);
/// 1970-01-01 was a Thursday.
const DAYS_SINCE_MONDAY: TimeDelta = TimeDelta::days(3);

/// What is backed up.
pub enum Suite {
    /// The one that runs on this machine, if its settings say so.
    Local(LocalSuite),
    /// One that runs elsewhere.
    Elsewhere(Elsewhere),
}

/// Who fetches the WAL, and into which backup directory.
struct Receiving {
    receiver: WalReceiver,
    directory: PathBuf,
}

#[derive(Default)]
struct Following {
    receiving: Option<Receiving>,
    /// A base backup or a drill. Whoever drops it ends them.
    beside: JoinSet<()>,
    /// The log did not go on where it was: the next base backup is due whatever the status says.
    begins_anew: bool,
}

/// Follows until the shutdown. Answers with who still fetches the log: its end is written when the server stops.
pub async fn follow(suite: Suite, shutdown: CancellationToken) -> Option<WalReceiver> {
    let suite = Arc::new(suite);
    let mut following = Following::default();
    let mut last_failure: Option<String> = None;
    loop {
        let before = suite.settings().ok();
        let outcome = tokio::select! {
            () = shutdown.cancelled() => break,
            outcome = following.follow_once(&suite) => outcome,
        };
        let failure = outcome.err().map(|error| format!("the backup does not follow: {error:#}"));
        // At the terminal once, not each minute.
        if let Some(sentence) = &failure
            && last_failure.as_ref() != Some(sentence)
        {
            warn(sentence);
        }
        last_failure = failure;
        let delay = if last_failure.is_some() { RETRY_DELAY } else { FOLLOW_INTERVAL };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = suite.settings_change(&before, delay) => {}
            // The next thing may be due.
            Some(_) = following.beside.join_next(), if last_failure.is_none() => {}
        }
    }
    following.receiving.map(|receiving| receiving.receiver)
}

impl Suite {
    /// `None` if it is not backed up.
    fn settings(&self) -> anyhow::Result<Option<BackupSettings>> {
        match self {
            Self::Local(place) => BackupSettings::read(&place.data_directory),
            Self::Elsewhere(elsewhere) => Ok(Some(elsewhere.settings())),
        }
    }

    /// Returns after this time, and at once when the backup is turned on or off or goes elsewhere than before.
    async fn settings_change(&self, before: &Option<Option<BackupSettings>>, delay: Duration) {
        let until = Instant::now() + delay;
        while Instant::now() < until && self.settings().ok() == *before {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn open(&self, settings: BackupSettings) -> anyhow::Result<Job> {
        match self {
            Self::Local(place) => Job::open_local(place, settings).await,
            Self::Elsewhere(elsewhere) => elsewhere.open(settings).await,
        }
    }

    fn timetable(&self) -> Timetable {
        match self {
            Self::Local(_) => Timetable::Every,
            Self::Elsewhere(elsewhere) => elsewhere.timetable(),
        }
    }

    async fn try_restore(&self, job: &Job) -> anyhow::Result<()> {
        match self {
            Self::Local(place) => drill::run(&job.server, place).await.map(drop),
            Self::Elsewhere(elsewhere) => {
                drill::note(&job.server.directory, elsewhere.try_restore()).await.map(drop)
            }
        }
    }
}

impl Following {
    async fn follow_once(&mut self, suite: &Arc<Suite>) -> anyhow::Result<()> {
        let Some(settings) = suite.settings()? else {
            if let Some(former) = self.receiving.take() {
                former.receiver.end(Duration::ZERO).await?;
            }
            return Ok(());
        };
        let job = Arc::new(suite.open(settings).await?);
        self.begins_anew |= job.server.ensure_slot().await?;
        receive_into(&job, &mut self.receiving).await?;
        while self.beside.try_join_next().is_some() {}
        if self.beside.is_empty() {
            self.begin_what_is_due(suite, &job)?;
        }
        job.catch_up(false).await?;
        // A base backup that is being made is followed by the mirror.
        if let Some(_lock) = job.server.directory.try_lock_base_backups()? {
            job.copy_to_mirror().await?;
        }
        Ok(())
    }

    fn begin_what_is_due(&mut self, suite: &Arc<Suite>, job: &Arc<Job>) -> anyhow::Result<()> {
        let due = suite.timetable().due_now(job)?;
        let (suite, job) = (suite.clone(), job.clone());
        if self.begins_anew || due.backup {
            let is_due_anyway = std::mem::take(&mut self.begins_anew);
            self.beside.spawn(async move {
                if let Err(error) = back_up(&suite, &job, is_due_anyway).await {
                    warn(&format!("the base backup has failed: {error:#}"));
                }
            });
        } else if due.drill {
            self.beside.spawn(async move {
                if let Err(error) = suite.try_restore(&job).await {
                    warn(&format!("the backup could not be restored: {error:#}"));
                }
            });
        }
        Ok(())
    }
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

/// Makes a base backup, unless it is no longer due after another run has ended.
async fn back_up(suite: &Suite, job: &Job, is_due_anyway: bool) -> anyhow::Result<()> {
    let _lock = job.server.directory.lock_base_backups().await?;
    if is_due_anyway || suite.timetable().due_now(job)?.backup {
        job.back_up().await?;
    }
    Ok(())
}

/// When base backups and drills are due. What was missed is made up for.
#[derive(Clone, Copy, Debug)]
pub enum Timetable {
    /// So long after the last one.
    Every,
    /// At a time (UTC): so far into each day, and so far into each week that begins on Monday.
    At {
        /// Base backups.
        backup: TimeDelta,
        /// Drills.
        drill: TimeDelta,
    },
}

/// What is due beside following.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    backup: bool,
    drill: bool,
}

impl Timetable {
    fn due_now(self, job: &Job) -> anyhow::Result<Due> {
        Ok(self.due(Utc::now(), &Status::read(&job.server.directory)?))
    }

    fn due(self, now: DateTime<Utc>, status: &Status) -> Due {
        let has_passed = |last: Option<DateTime<Utc>>, interval| {
            last.is_none_or(|last: DateTime<Utc>| now - last >= interval)
        };
        let is_before = |last: Option<DateTime<Utc>>, turn| last.is_none_or(|last| last < turn);
        // The backup that turned this on tells that restoring works: the first drill is a week later, or by hand.
        let restored_at = status.last_drill_success_at.or(status.window_start);
        let (backup, drill) = match self {
            Self::Every => {
                (has_passed(status.last_backup_at, BACKUP_INTERVAL), has_passed(restored_at, DRILL_INTERVAL))
            }
            Self::At { backup, drill } => (
                is_before(status.last_backup_at, last_turn(now, BACKUP_INTERVAL, backup)),
                is_before(restored_at, last_turn(now, DRILL_INTERVAL, drill - DAYS_SINCE_MONDAY)),
            ),
        };
        let failed_at =
            status.last_backup_attempt_at.filter(|_| status.last_backup_outcome.as_deref() != Some(OK));
        Due {
            backup: backup && has_passed(failed_at, BACKUP_RETRY_INTERVAL),
            drill: drill && has_passed(status.last_drill_at, DRILL_RETRY_INTERVAL),
        }
    }
}

/// When it last was so far into a period. Periods are counted from 1970-01-01.
fn last_turn(now: DateTime<Utc>, period: TimeDelta, offset: TimeDelta) -> DateTime<Utc> {
    let into = (now.timestamp() - offset.num_seconds()).rem_euclid(period.num_seconds());
    now - TimeDelta::seconds(into)
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
            let status = Status { last_backup_at, window_start, ..drills };
            let Due { backup, drill } = Timetable::Every.due(now, &status);
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
            Timetable::Every.due(now, &status).drill
        };
        assert!(!is_due(None, ago(23)) && is_due(None, ago(24)));
        assert!(!is_due(ago(8 * 24), ago(23)) && is_due(ago(8 * 24), ago(24)));
    }

    #[test]
    fn a_base_backup_that_failed_is_tried_again_after_an_hour() {
        let now = Utc::now();
        let is_due = |minutes| {
            let last_backup_attempt_at = Some(now - TimeDelta::minutes(minutes));
            let last_backup_outcome = Some("the disk is full".to_owned());
            let status = Status { last_backup_attempt_at, last_backup_outcome, ..Status::default() };
            Timetable::Every.due(now, &status).backup
        };
        assert!(!is_due(59) && is_due(60));
    }

    #[test]
    fn a_backup_server_works_at_night_and_makes_up_for_what_it_missed() {
        let time = |text: &str| Some(format!("{text}:00Z").parse::<DateTime<Utc>>().unwrap());
        let timetable =
            Timetable::At { backup: TimeDelta::hours(2), drill: TimeDelta::days(6) + TimeDelta::hours(3) };
        let due = |now: &str, status: &Status| timetable.due(time(now).unwrap(), status);
        let backup = |now, last| {
            due(now, &Status { last_backup_at: time(last), window_start: time(last), ..Status::default() })
                .backup
        };
        assert!(due("2026-11-25T14:00", &Status::default()).backup, "there is none");
        assert!(!backup("2026-11-26T01:59", "2026-11-25T14:05"));
        assert!(backup("2026-11-26T02:00", "2026-11-25T14:05"));
        assert!(backup("2026-11-26T09:30", "2026-11-25T14:05"), "at two it did not run");
        assert!(!backup("2026-11-27T01:00", "2026-11-26T09:35"));

        let drill = |now, first, [tried, succeeded]: [Option<DateTime<Utc>>; 2]| {
            let [last_drill_at, last_drill_success_at] = [tried, succeeded];
            let window_start = time(first);
            due(now, &Status { window_start, last_drill_at, last_drill_success_at, ..Status::default() })
                .drill
        };
        // 2026-11-29 is a Sunday.
        let sunday = [time("2026-11-29T03:05"); 2];
        assert!(!drill("2026-11-29T02:59", "2026-11-25T14:00", [None; 2]));
        assert!(drill("2026-11-29T03:00", "2026-11-25T14:00", [None; 2]));
        assert!(!drill("2026-12-06T02:59", "2026-11-25T14:00", sunday));
        assert!(drill("2026-12-09T12:00", "2026-11-25T14:00", sunday), "on Sunday it did not run");
        let failed = [time("2026-12-06T03:05"), time("2026-11-29T03:05")];
        assert!(!drill("2026-12-07T03:00", "2026-11-25T14:00", failed));
        assert!(drill("2026-12-07T03:05", "2026-11-25T14:00", failed), "it failed a day ago");
    }
}
