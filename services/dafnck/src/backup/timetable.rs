//! When base backups and drills are due.

use chrono::{DateTime, TimeDelta, Utc};

use super::Job;
use super::status::{OK, Status};

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
pub(super) struct Due {
    pub(super) backup: bool,
    pub(super) drill: bool,
}

impl Timetable {
    pub(super) fn due_now(self, job: &Job) -> anyhow::Result<Due> {
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
