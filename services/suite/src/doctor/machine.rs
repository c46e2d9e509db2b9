//! What is on disk: backups, certificates, and room.

use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::tls::end_of;

use super::Finding;

/// A base backup comes daily, the log hourly, the drill weekly; each gets a little longer.
const BACKUP_AGE: TimeDelta = TimeDelta::hours(26);
const LOG_AGE: TimeDelta = TimeDelta::hours(1);
const DRILL_AGE: TimeDelta = TimeDelta::days(8);
/// Certificates are renewed well before their end.
const RENEWAL: TimeDelta = TimeDelta::days(30);
const LATE_RENEWAL: TimeDelta = TimeDelta::days(7);
/// Of a disk, in percent.
const LITTLE_ROOM: u64 = 15;
const NO_ROOM: u64 = 5;

/// What `dafnck backup` says of its last runs in `status.json`.
pub(super) fn backups(folder: Option<&Path>) -> Vec<Finding> {
    let Some(folder) = folder else {
        return vec![Finding::ok("backup", "not looked at: no --backup-folder is given")];
    };
    match read_status(folder) {
        Ok(status) => judge(&status, Utc::now()),
        Err(error) => vec![Finding::critical("backup", format!("{error:#}"), "run `dafnck backup`, daily")],
    }
}

fn read_status(folder: &Path) -> anyhow::Result<Value> {
    let path = folder.join("status.json");
    let text = std::fs::read(&path)
        .with_context(|| format!("there is no backup: cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

fn judge(status: &Value, now: DateTime<Utc>) -> Vec<Finding> {
    let at = |field: &str| status[field].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let mut findings = Vec::new();
    let is_late = |field: &str, age| at(field).is_none_or(|at| now - at > age);
    let told =
        |field: &str| at(field).map_or("never".to_owned(), |at| format!("at {}", at.format("%F %H:%M")));
    if is_late("last_backup_at", BACKUP_AGE) {
        let says = format!("the last base backup was made {}", told("last_backup_at"));
        findings.push(Finding::critical("backup", says, "run `dafnck backup`, daily"));
    }
    if is_late("last_wal_at", LOG_AGE) {
        let says = format!("what was committed since is in no backup: {}", told("last_wal_at"));
        findings.push(Finding::warning("backup", says, "see that the log is archived"));
    }
    if is_late("last_drill_success_at", DRILL_AGE) {
        let says = format!("restoring last succeeded {}", told("last_drill_success_at"));
        findings.push(Finding::warning("backup", says, "try a restore, weekly"));
    }
    for field in ["last_backup_outcome", "last_second_place_outcome", "last_drill_outcome"] {
        if let Some(why) = status[field].as_str().filter(|outcome| *outcome != "ok") {
            findings.push(Finding::critical("backup", format!("{field}: {why}"), "mend it and run it again"));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("backup", format!("made {}", told("last_backup_at"))));
    }
    findings
}

/// How long a certificate is still good for.
pub(super) fn certificate(path: &Path) -> Finding {
    let place = path.display();
    match end_of(path) {
        Err(error) => {
            Finding::critical("certificate", format!("{place}: {error:#}"), "give a readable PEM file")
        }
        Ok(end) => {
            let left = end - Utc::now();
            let says = format!("{place} ends {} (in {} days)", end.format("%F %H:%M"), left.num_days());
            match left {
                _ if left < LATE_RENEWAL => Finding::critical("certificate", says, "renew it now"),
                _ if left < RENEWAL => Finding::warning("certificate", says, "renew it"),
                _ => Finding::ok("certificate", says),
            }
        }
    }
}

/// How much room there is beside a folder's files.
pub(super) fn disk(folder: &Path) -> Finding {
    let place = folder.display();
    let Ok(room) = rustix::fs::statvfs(folder) else {
        return Finding::critical("disk", format!("{place} cannot be looked at"), "see that it is there");
    };
    let percent = room.f_bavail.saturating_mul(100) / room.f_blocks.max(1);
    let gibibytes = room.f_bavail.saturating_mul(room.f_frsize) / (1 << 30);
    let says = format!("{percent} % free ({gibibytes} GiB) at {place}");
    let advice = "make room, or move the folder to a larger disk; a full disk stops all writing";
    match percent {
        _ if percent < NO_ROOM => Finding::critical("disk", says, advice),
        _ if percent < LITTLE_ROOM => Finding::warning("disk", says, advice),
        _ => Finding::ok("disk", says),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Level;
    use super::*;

    #[test]
    fn a_backup_is_judged_by_its_age_and_its_outcome() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        let fresh = json!({
            "last_backup_at": "2026-11-20T02:00:00Z", "last_wal_at": "2026-11-20T11:50:00Z",
            "last_drill_success_at": "2026-11-18T02:00:00Z", "last_backup_outcome": "ok",
        });
        assert_eq!(judge(&fresh, now)[0].level, Level::Ok);
        let mut old = fresh.clone();
        old["last_backup_at"] = json!("2026-11-18T02:00:00Z");
        assert_eq!(judge(&old, now)[0].level, Level::Critical);
        let mut failed = fresh.clone();
        failed["last_backup_outcome"] = json!("no space left");
        assert!(judge(&failed, now)[0].says.contains("no space left"));
        assert_eq!(judge(&json!({}), now).len(), 3);
    }
}
