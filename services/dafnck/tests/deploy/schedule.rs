//! `deploy/backup/schedule`: what is done on which day. The programs that it calls only say that they were called; that they
//! do what it wants is in `backups`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDateTime;
use tempfile::TempDir;
use tokio::process::Command;

use super::root;
use super::scripts::{UNTIL_NOTHING_RUNS, write_program};

/// The programs that it calls, and what they do in its directory.
const PROGRAMS: [(&str, &str); 5] = [
    ("date", "cat clock"),
    (
        "barman",
        r#"case "$*" in
        *list-backups*) cat backups ;;
        backup*) until [ ! -e slow ] || [ "$(wc -l <kept)" -ge 2 ]; do /bin/sleep 0.02; done; echo backup >>called; [ ! -e broken ] ;;
        esac"#,
    ),
    ("try-restore", "echo drill >>called; [ ! -e broken ]"),
    ("dafnck", "echo files >>kept"),
    ("psql", "exit 1"),
];

/// A minute takes twenty, so that an hour has three rounds.
const TWENTY_MINUTES: &str = "echo $(($(cat clock) + 20 * $1)) >clock";
const TIMEOUT: Duration = Duration::from_secs(60);

/// A volume, and what time it is.
struct Volume(TempDir);

fn seconds(time: &str) -> i64 {
    NaiveDateTime::parse_from_str(time, "%F %R").unwrap().and_utc().timestamp()
}

impl Volume {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, does) in PROGRAMS {
            write_program(&bin.join(name), does);
        }
        let sleep = format!("[ -e slow ] || {UNTIL_NOTHING_RUNS}\n{TWENTY_MINUTES}");
        write_program(&bin.join("sleep"), &sleep);
        fs::write(directory.path().join("pgpass"), "").unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts the container at this time, for so many rounds of twenty minutes, with base backups of these times; what it does.
    async fn starts(&self, time: &str, rounds: u32, backups: &[&str]) -> Vec<String> {
        fs::write(self.path("clock"), seconds(time).to_string()).unwrap();
        let whole = |at: &&str| format!(r#"{{"status": "DONE", "end_time_timestamp": "{}"}}"#, seconds(at));
        let failed = r#"{"status": "FAILED"}"#.to_owned();
        let listed: Vec<String> = [failed].into_iter().chain(backups.iter().map(whole)).collect();
        fs::write(self.path("backups"), format!(r#"{{"dafnck": [{}]}}"#, listed.join(","))).unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(root().join("deploy/backup/schedule"));
        command.current_dir(self.0.path()).env("PATH", path).env("BACKUP_HOME", self.0.path());
        command.env("BARMAN_PGPASS_FILE", "pgpass").env("PGPASSFILE", "own-pgpass");
        command.env("ROUNDS", rounds.to_string()).env("BACKUP_HOUR", "02").env("DRILL_DAY", "7");
        let ended = tokio::time::timeout(TIMEOUT, command.kill_on_drop(true).status()).await;
        assert!(ended.expect("it ends after its rounds").unwrap().success());
        let called = self.path("called");
        let did = fs::read_to_string(&called).unwrap_or_default().lines().map(str::to_owned).collect();
        forget(&called);
        did
    }

    /// Whether what it calls fails from now on.
    fn set_broken(&self, broken: bool) {
        if broken { fs::write(self.path("broken"), "").unwrap() } else { forget(&self.path("broken")) }
    }
}

fn forget(file: &Path) {
    if file.exists() {
        fs::remove_file(file).unwrap();
    }
}

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_base_backup_is_made_each_night_and_a_night_that_was_missed_is_made_up_for() {
    let volume = Volume::new();
    assert_eq!(volume.starts("2026-11-25 14:00", 1, &[]).await, ["backup"], "there is none");
    let first = "2026-11-25 14:05";
    assert_eq!(volume.starts("2026-11-26 01:59", 1, &[first]).await, NOTHING);
    assert_eq!(volume.starts("2026-11-26 02:00", 1, &[first]).await, ["backup"], "it is two o'clock");
    assert_eq!(volume.starts("2026-11-26 09:30", 1, &[first]).await, ["backup"], "at two it did not run");
    assert_eq!(volume.starts("2026-11-27 01:00", 1, &["2026-11-26 09:35", first]).await, NOTHING);

    volume.set_broken(true);
    let tried = volume.starts("2026-11-27 02:00", 4, &["2026-11-26 09:35"]).await;
    assert_eq!(tried, ["backup", "backup"], "what failed is tried again after an hour");
}

#[tokio::test]
async fn attachments_are_copied_also_while_a_base_backup_takes_its_time() {
    let volume = Volume::new();
    fs::write(volume.path("kept"), "").unwrap();
    fs::write(volume.path("slow"), "it ends when attachments have been copied twice").unwrap();
    assert_eq!(volume.starts("2026-11-25 14:00", 6, &[]).await, ["backup"]);
}

#[tokio::test]
async fn a_restore_is_tried_each_week_and_a_week_that_was_missed_is_made_up_for() {
    let volume = Volume::new();
    assert_eq!(volume.starts("2026-11-25 14:00", 1, &[]).await, ["backup"]);
    let sunday = ["2026-11-29 02:01"];
    assert_eq!(volume.starts("2026-11-29 02:59", 1, &sunday).await, NOTHING);
    assert_eq!(volume.starts("2026-11-29 03:00", 2, &sunday).await, ["drill"], "once");
    assert_eq!(volume.starts("2026-11-29 03:30", 2, &sunday).await, NOTHING, "also after a restart");
    assert_eq!(volume.starts("2026-12-06 02:59", 1, &["2026-12-06 02:01"]).await, NOTHING);
    let wednesday = ["2026-12-09 02:01"];
    assert_eq!(volume.starts("2026-12-09 12:00", 2, &wednesday).await, ["drill"], "on Sunday it did not run");

    volume.set_broken(true);
    assert_eq!(volume.starts("2026-12-13 03:00", 2, &["2026-12-13 02:01"]).await, ["drill"]);
    volume.set_broken(false);
    let monday = ["2026-12-14 02:01"];
    assert_eq!(volume.starts("2026-12-14 02:59", 1, &monday).await, NOTHING);
    assert_eq!(volume.starts("2026-12-14 03:00", 2, &monday).await, ["drill"], "it failed a day ago");
    assert_eq!(volume.starts("2026-12-19 03:00", 2, &["2026-12-19 02:01"]).await, NOTHING);
}
