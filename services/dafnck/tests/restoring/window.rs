//! What is kept for 30 days and what goes then, and what the running suite does by itself as days pass. They pass by
//! moving dates in the backup, not by waiting.

use std::fs;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dafnck::backup::catalog::{BaseBackup, WalSegment, base_backups};
use dafnck::backup::directory::BackupDirectory;
use dafnck::backup::manifest::{Entry, Manifest};
use dafnck::backup::settings::BackupSettings;
use dafnck::backup::status::Status;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use local_servers::RunningPostgres;
use local_servers::suite::DatabaseTopology;

use super::{held, text};
use crate::local_suite::{Machine, files_below};

/// How long the suite may take to see what is due, to make a base backup and to try a restore.
const TIMEOUT: Duration = Duration::from_secs(180);
/// Objects of the store that nothing refers to.
const LONG_GONE: &str = "parts/long-gone";
const LATELY_GONE: &str = "parts/lately-gone";

fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

/// As if a base backup had been made so long ago.
pub fn set_back(directory: &BackupDirectory, backup: &BaseBackup, days: i64) {
    let path = directory.server().join(format!("meta/{}-backup.info", backup.id));
    let info = fs::read_to_string(&path).unwrap();
    let time = days_ago(days).format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string();
    let line = |line: &str| match line.split_once('=') {
        Some((name @ ("begin_time" | "end_time"), _)) => format!("{name}={time}\n"),
        _ => format!("{line}\n"),
    };
    fs::write(path, info.lines().map(line).collect::<String>()).unwrap();
}

/// As if an object had gone so long ago.
fn set_gone(manifest: &mut Manifest, path: &str, days: i64) {
    let entry = manifest.entries()[path].clone();
    assert!(entry.gone_at.is_some(), "{path} was seen to be gone");
    manifest.note(Entry { gone_at: Some(days_ago(days)), ..entry }).unwrap();
}

pub fn ids(directory: &BackupDirectory) -> Vec<String> {
    base_backups(directory).unwrap().into_iter().map(|backup| backup.id).collect()
}

/// The WAL segments that are kept.
fn log(directory: &BackupDirectory) -> Vec<WalSegment> {
    let names = files_below(&directory.log()).into_iter();
    let mut pieces: Vec<_> =
        names.filter_map(|path| WalSegment::of(&path.file_name().unwrap().to_string_lossy())).collect();
    pieces.sort();
    pieces
}

/// Waits until the suite has by itself made a base backup and tried a restore.
async fn does_what_is_due(directory: &BackupDirectory, since: DateTime<Utc>) -> Status {
    let done = async {
        loop {
            let status = Status::read(directory).unwrap();
            if status.last_backup_at > Some(since) && status.last_drill_at > Some(since) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, done).await.expect("what is due is not done")
}

#[tokio::test]
async fn what_no_moment_of_30_days_needs_goes_and_the_rest_restores_a_suite_of_four_databases() {
    let mut machine = Machine::with(DatabaseTopology::Four);
    machine.start("data").await;
    machine.import("data", "apollo", 10).await;
    let stray = [LONG_GONE, LATELY_GONE].map(|name| machine.path("data/files").join(name));
    fs::create_dir_all(machine.path("data/files/parts")).unwrap();
    stray.iter().for_each(|path| fs::write(path, "of an upload that nobody ended").unwrap());
    machine.operate("data", &["backup"]).await.unwrap();
    let directory = BackupDirectory::open(&machine.path("backup")).unwrap();
    stray.iter().for_each(|path| fs::remove_file(path).unwrap());

    // A day and a week later the suite has work.
    let lock = directory.lock().await.unwrap();
    set_back(&directory, &base_backups(&directory).unwrap()[0], 40);
    let change = |status: &mut Status| {
        status.last_backup_at = Some(Utc::now() - TimeDelta::hours(25));
        status.last_drill_success_at = Some(days_ago(8));
    };
    Status::update(&directory, change).unwrap();
    drop(lock);
    let since = Utc::now();
    let mut held_up = hold_up_drills(&machine).await;
    let second = machine.path("second");
    machine.operate("data", &["backup", "follow", "--mirror", second.to_str().unwrap()]).await.unwrap();
    while_a_drill_runs_the_suite_follows(&machine, &mut held_up).await;
    let status = does_what_is_due(&directory, since).await;
    assert_eq!(status.last_drill_outcome.as_deref(), Some("ok"));
    let [first, daily] = base_backups(&directory).unwrap().try_into().unwrap();
    assert!(log(&directory)[0] <= first.begin_wal, "the first is needed for the days before the second");

    let (moment, tables, objects) = machine.moment("data").await;
    machine.import("data", "gemini", 10).await;
    let lock = directory.lock().await.unwrap();
    set_back(&directory, &daily, 31);
    let mut manifest = Manifest::open(&machine.path("backup/files.manifest")).unwrap();
    set_gone(&mut manifest, LONG_GONE, 35);
    set_gone(&mut manifest, LATELY_GONE, 20);
    drop((manifest, lock));

    machine.operate("data", &["backup"]).await.unwrap();

    let [_, newest] = ids(&directory).try_into().unwrap();
    assert_eq!(ids(&directory), [daily.id.clone(), newest]);
    assert_eq!(log(&directory)[0], daily.begin_wal, "what comes before it is needed by nothing");
    assert!(!directory.files().join(LONG_GONE).exists() && directory.files().join(LATELY_GONE).exists());
    assert!(!Manifest::read(&machine.path("backup/files.manifest")).unwrap().contains_key(LONG_GONE));
    let window = base_backups(&directory).unwrap()[0].end_time;
    let said = machine.operate("data", &["backup", "list"]).await.unwrap();
    assert!(said.contains(&format!("any moment can be restored from {} to ", window.to_rfc3339())), "{said}");

    // From the older of the two, for the newer one was made after that moment.
    machine.restore_with(&["--sessions", "keep"], "backup", &text(moment), "restored").await.unwrap();
    assert_eq!(held(&machine, "restored").await, (tables, objects));

    machine.operate("data", &["backup", "off"]).await.unwrap();
    assert_eq!(BackupSettings::read(&machine.path("data")).unwrap(), None);
    assert_eq!(slots(&machine).await, 0, "PostgreSQL keeps no log for anybody");
    machine.kill().await;
    assert_eq!(ids(&directory).len(), 2, "what was backed up stays");
}

/// Nobody reads a table until this connection ends its transaction, and so no drill comes to its end.
async fn hold_up_drills(machine: &Machine) -> AsyncPgConnection {
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("dafnck_task");
    let mut holder = shared::database::connect(&url).await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE task.tasks IN ACCESS EXCLUSIVE MODE").await.unwrap();
    holder
}

/// Is told of yet another second place while a drill waits for this connection, and makes that equal all the same.
async fn while_a_drill_runs_the_suite_follows(machine: &Machine, held_up: &mut AsyncPgConnection) {
    #[derive(diesel::QueryableByName)]
    struct Waits {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        waits: bool,
    }
    let question = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid() \
                    AND relation = 'task.tasks'::regclass AND mode = 'AccessShareLock') AS waits";
    let third = machine.path("third");
    let follows = async {
        while !diesel::sql_query(question).get_result::<Waits>(held_up).await.unwrap().waits {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let settings = BackupSettings { directory: machine.path("backup"), mirror: Some(third.clone()) };
        settings.write(&machine.path("data")).unwrap();
        while !third.join("status.json").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, follows).await.expect("it stands still while a drill runs");
    held_up.batch_execute("COMMIT").await.unwrap();
}

/// Who has PostgreSQL keep its log.
async fn slots(machine: &Machine) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("postgres");
    let mut conn = shared::database::connect(&url).await.unwrap();
    let question = diesel::sql_query("SELECT count(*) AS count FROM pg_replication_slots");
    question.get_result::<Count>(&mut conn).await.unwrap().count
}
