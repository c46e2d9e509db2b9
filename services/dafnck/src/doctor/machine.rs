//! What is on disk: backups, certificates, and room.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use shared::tls::expiry_of;

use super::{BackupLocation, Finding};
use crate::backup::status::{OK, Status};
use crate::backup::timetable::{BACKUP_INTERVAL, DRILL_INTERVAL};

/// A base backup comes daily, log and files each few minutes, the drill weekly; each gets a little longer.
const MAX_BACKUP_AGE: TimeDelta = TimeDelta::hours(BACKUP_INTERVAL.num_hours() + 2);
const MAX_FOLLOWING_AGE: TimeDelta = TimeDelta::hours(1);
const MAX_DRILL_AGE: TimeDelta = TimeDelta::days(DRILL_INTERVAL.num_days() + 1);
/// Certificates are renewed well before their end.
const RENEW_BEFORE_EXPIRY: TimeDelta = TimeDelta::days(30);
const CRITICAL_BEFORE_EXPIRY: TimeDelta = TimeDelta::days(7);
/// Of a disk, in percent.
const LOW_DISK_PERCENT: u64 = 15;
const CRITICAL_DISK_PERCENT: u64 = 5;

/// What `dafnck backup` says of its last runs.
pub(super) fn backups(place: &BackupLocation) -> Vec<Finding> {
    let directory = match place {
        BackupLocation::Directory(directory) => directory,
        BackupLocation::Nowhere => {
            let hint = "`dafnck backup` turns it on; until then all is lost with the data directory";
            return vec![Finding::note("backup", "the suite is not backed up", hint)];
        }
        BackupLocation::Elsewhere => {
            let hint = "give --backup-directory, or see that what backs the databases up is watched";
            return vec![Finding::note("backup", "not looked at: nobody said where it is", hint)];
        }
    };
    match Status::find(directory) {
        Ok(Some(status)) => judge(&status, Utc::now()),
        Ok(None) => {
            let message = format!("there is no backup in {}", directory.display());
            vec![Finding::critical("backup", message, "run `dafnck backup`")]
        }
        Err(error) => vec![Finding::critical("backup", format!("{error:#}"), "run `dafnck backup`")],
    }
}

fn judge(status: &Status, now: DateTime<Utc>) -> Vec<Finding> {
    let is_late = |at: Option<DateTime<Utc>>, age| at.is_none_or(|at| now - at > age);
    let told = |at: Option<DateTime<Utc>>| {
        at.map_or("never".to_owned(), |at| format!("at {}", at.format("%F %H:%M")))
    };
    let mut findings = Vec::new();
    if is_late(status.last_backup_at, MAX_BACKUP_AGE) {
        let message = format!("the last base backup was made {}", told(status.last_backup_at));
        findings.push(Finding::critical("backup", message, "run `dafnck backup`, daily"));
    }
    for (what, at) in [("committed", status.last_wal_at), ("stored in files", status.last_files_at)] {
        if is_late(at, MAX_FOLLOWING_AGE) {
            let message = format!("what was {what} since is in no backup: {}", told(at));
            findings.push(Finding::warning(
                "backup",
                message,
                "see that the suite runs; its terminal says why it does not follow",
            ));
        }
    }
    // The backup that turned this on tells that restoring works: the first drill is a week later.
    if is_late(status.last_drill_success_at.or(status.window_start), MAX_DRILL_AGE) {
        let message = format!("restoring last succeeded {}", told(status.last_drill_success_at));
        findings.push(Finding::warning("backup", message, "try a restore, weekly: `dafnck drill`"));
    }
    if status.mirror.is_some() && is_late(status.last_mirror_at, MAX_BACKUP_AGE) {
        let message = format!("the mirror was made equal {}", told(status.last_mirror_at));
        findings.push(Finding::warning("backup", message, "see that it is mounted and has room"));
    }
    for (what, outcome) in [
        ("base backup", &status.last_backup_outcome),
        ("copy to the mirror", &status.last_mirror_outcome),
        ("drill", &status.last_drill_outcome),
    ] {
        if let Some(why) = outcome.as_deref().filter(|outcome| *outcome != OK) {
            let message = format!("the last {what} failed: {why}");
            findings.push(Finding::critical("backup", message, "mend it and run it again"));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("backup", format!("made {}", told(status.last_backup_at))));
    }
    findings
}

/// How long a certificate is still good for.
pub(super) fn certificate(path: &Path) -> Finding {
    let place = path.display();
    match expiry_of(path) {
        Err(error) => {
            Finding::critical("certificate", format!("{place}: {error:#}"), "give a readable PEM file")
        }
        Ok(end) => {
            let left = end - Utc::now();
            let message = format!("{place} ends {} (in {} days)", end.format("%F %H:%M"), left.num_days());
            match left {
                _ if left < CRITICAL_BEFORE_EXPIRY => {
                    Finding::critical("certificate", message, "renew it now")
                }
                _ if left < RENEW_BEFORE_EXPIRY => Finding::warning("certificate", message, "renew it"),
                _ => Finding::ok("certificate", message),
            }
        }
    }
}

/// How much room there is beside a directory's files.
pub(super) fn disk(directory: &Path) -> Finding {
    let place = directory.display();
    let Ok(room) = rustix::fs::statvfs(directory) else {
        return Finding::critical("disk", format!("{place} cannot be looked at"), "see that it is there");
    };
    let percent = room.f_bavail.saturating_mul(100) / room.f_blocks.max(1);
    let gibibytes = room.f_bavail.saturating_mul(room.f_frsize) / (1 << 30);
    let message = format!("{percent} % free ({gibibytes} GiB) at {place}");
    let hint = "make room, or move the directory to a larger disk; a full disk stops all writing";
    match percent {
        _ if percent < CRITICAL_DISK_PERCENT => Finding::critical("disk", message, hint),
        _ if percent < LOW_DISK_PERCENT => Finding::warning("disk", message, hint),
        _ => Finding::ok("disk", message),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_backup_is_judged_by_its_age_and_its_outcome() {
        let now = Utc::now();
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        let good = Status {
            last_backup_at: ago(10),
            last_wal_at: ago(0),
            last_files_at: ago(0),
            last_drill_success_at: ago(50),
            last_backup_outcome: Some(OK.to_owned()),
            ..Status::default()
        };
        let found = |status: &Status| -> Vec<(Level, String)> {
            judge(status, now).into_iter().map(|finding| (finding.level, finding.message)).collect()
        };
        let one = |status: &Status| <[_; 1]>::try_from(found(status)).map(|[found]| found).unwrap();
        assert_eq!(one(&good).0, Level::Ok);
        assert_eq!(one(&Status { last_backup_at: ago(27), ..good.clone() }).0, Level::Critical);
        let late = one(&Status { last_files_at: ago(2), ..good.clone() });
        assert!(late.0 == Level::Warning && late.1.contains("stored in files"), "{late:?}");
        let failed = Status { last_drill_outcome: Some("a table differs".to_owned()), ..good.clone() };
        assert_eq!(one(&failed), (Level::Critical, "the last drill failed: a table differs".to_owned()));
        let young = Status { last_drill_success_at: None, window_start: ago(100), ..good.clone() };
        assert_eq!(one(&young).0, Level::Ok, "the first drill is yet to come");
        let unequal = Status { mirror: Some("/mnt".to_owned()), ..good.clone() };
        assert_eq!(one(&unequal).0, Level::Warning);
        assert_eq!(found(&Status::default()).len(), 4);
    }

    #[test]
    fn what_is_not_backed_up_does_not_look_like_a_good_backup() {
        for place in [BackupLocation::Nowhere, BackupLocation::Elsewhere] {
            assert_eq!(backups(&place)[0].level, Level::Note);
        }
    }
}
