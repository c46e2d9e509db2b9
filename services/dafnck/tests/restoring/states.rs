//! `restore --at latest` from every state that a backup directory can be in: its newest segment of the WAL is whole or still
//! being received, taken over or not, what is old is pruned, it is a mirror, or the suite was killed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use dafnck::backup::catalog::base_backups;
use dafnck::backup::directory::BackupDirectory;
use dafnck::restore::Tables;
use diesel::sql_types::Bool;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use local_servers::RunningPostgres;
use testkit::until;

use super::held;
use super::window::{ids, set_back};
use crate::local_suite::{Machine, Objects, files_below};

const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a state is tried that depends on who is faster.
const ATTEMPTS: usize = 20;

/// A copy of the backup directory in some state, and what the suite held then.
struct Snapshot {
    name: String,
    tables: Tables,
    objects: Objects,
}

/// Without what the services write by themselves, also between a snapshot and its copy.
fn without_background(mut tables: Tables) -> Tables {
    const BACKGROUND: [&str; 4] = ["change_log_horizon", "feed_positions", "maintenance_runs", "table_sizes"];
    tables.retain(|name, _| !BACKGROUND.iter().any(|table| name.ends_with(table)));
    tables
}

async fn held_in(machine: &Machine, data: &str) -> (Tables, Objects) {
    let (tables, objects) = held(machine, data).await;
    (without_background(tables), objects)
}

fn copy(machine: &Machine, from: &str, to: &str) {
    let [from, to] = [from, to].map(|name| machine.path(name));
    let _ = std::fs::remove_dir_all(&to);
    assert!(Command::new("cp").arg("--archive").args([from, to]).status().unwrap().success());
}

/// The names of segments that have arrived and that Barman has not taken over.
fn arrived(backup: &Path) -> Vec<String> {
    let names = files_below(&backup.join("barman/main/streaming")).into_iter();
    names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn is_partial(name: &str) -> bool {
    name.ends_with(".partial")
}

/// Waits until PostgreSQL has sent all that it has written.
async fn all_is_sent(machine: &Machine) {
    #[derive(diesel::QueryableByName)]
    struct Sent {
        #[diesel(sql_type = Bool)]
        sent: bool,
    }
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("postgres");
    let mut conn = shared::database::connect(&url).await.unwrap();
    let question = "SELECT coalesce(bool_or(sent_lsn >= pg_current_wal_lsn()), false) AS sent \
                    FROM pg_stat_replication WHERE application_name = 'barman_receive_wal'";
    until("all is sent", TIMEOUT, async || {
        diesel::sql_query(question).get_result::<Sent>(&mut conn).await.unwrap().sent
    })
    .await;
    // The receiver writes at once what it is sent, and says so only every 10 s.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Writes something, and copies the backup directory after `then`.
async fn snapshot(machine: &Machine, name: &str, from: &str, then: impl AsyncFnOnce()) -> Snapshot {
    machine.import("data", name, 3).await;
    let (_, tables, objects) = machine.moment("data").await;
    then().await;
    copy(machine, from, name);
    Snapshot { name: name.to_owned(), tables: without_background(tables), objects }
}

async fn follow(machine: &Machine) {
    machine.operate("data", &["backup", "follow"]).await.unwrap();
}

/// The newest segment is whole, and nothing has come after it.
async fn with_a_whole_newest_segment(machine: &Machine) -> Snapshot {
    let url = RunningPostgres::find(&machine.path("data")).unwrap().admin_url("dafnck");
    for attempt in 0..ATTEMPTS {
        let name = format!("whole-{attempt}");
        // An idle service stores its positions in feeds now and then.
        let mut positions = shared::database::connect(&url).await.unwrap();
        let follow_alone = async || {
            let hold = "BEGIN; LOCK TABLE project.feed_positions IN EXCLUSIVE MODE";
            positions.batch_execute(hold).await.unwrap();
            follow(machine).await;
        };
        let snapshot = snapshot(machine, &name, "backup", follow_alone).await;
        let names = arrived(&machine.path(&name));
        if !names.is_empty() && !names.iter().any(|name| is_partial(name)) {
            return snapshot;
        }
    }
    panic!("something was always written after the end of a segment");
}

#[tokio::test]
async fn the_latest_state_comes_back_from_every_state_of_a_backup_directory() {
    let mut machine = Machine::new();
    machine.start("data").await;
    machine.import("data", "apollo", 10).await;
    let mirror = machine.path("mirror");
    machine.operate("data", &["backup", "--mirror", mirror.to_str().unwrap()]).await.unwrap();
    let machine_ref = &machine;
    let mut snapshots = vec![with_a_whole_newest_segment(&machine).await];
    snapshots.push(snapshot(&machine, "mirrored", "mirror", async || follow(machine_ref).await).await);
    // Nobody has taken the segment over that files need, so they are in the copy only after the following run.
    follow(&machine).await;
    let untaken = async || {
        follow(machine_ref).await;
        for _ in 0..2 {
            machine_ref.execute("data", "SELECT pg_logical_emit_message(true, 'test', 'x')").await;
            machine_ref.execute("data", "SELECT pg_switch_wal()").await;
        }
        all_is_sent(machine_ref).await;
    };
    snapshots.push(snapshot(&machine, "untaken", "backup", untaken).await);
    assert!(arrived(&machine.path("untaken")).iter().filter(|name| !is_partial(name)).count() >= 2);
    let receiving = async || {
        follow(machine_ref).await;
        machine_ref.execute("data", "SELECT pg_logical_emit_message(true, 'test', 'x')").await;
        all_is_sent(machine_ref).await;
    };
    snapshots.push(snapshot(&machine, "receiving", "backup", receiving).await);
    assert!(arrived(&machine.path("receiving")).iter().any(|name| is_partial(name)));
    let pruned = async || {
        machine_ref.operate("data", &["backup"]).await.unwrap();
        let directory = BackupDirectory::open(&machine_ref.path("backup")).unwrap();
        let [first, second] = base_backups(&directory).unwrap().try_into().unwrap();
        let lock = directory.lock().await.unwrap();
        set_back(&directory, &first, 40);
        set_back(&directory, &second, 31);
        drop(lock);
        machine_ref.operate("data", &["backup"]).await.unwrap();
    };
    snapshots.push(snapshot(&machine, "pruned", "backup", pruned).await);
    let directory = BackupDirectory::open(&machine.path("pruned")).unwrap();
    assert_eq!(ids(&directory).len(), 2, "what no moment of 30 days needs is gone");
    snapshots.push(
        snapshot(&machine, "killed", "backup", async || {
            follow(machine_ref).await;
        })
        .await,
    );
    machine.kill().await;
    copy(&machine, "backup", "killed");

    for Snapshot { name, tables, objects } in snapshots {
        let into = format!("from-{name}");
        let restored = machine.restore_with(&["--sessions", "keep"], &name, "latest", &into).await;
        restored.unwrap_or_else(|words| panic!("{name}: {words}"));
        assert_eq!(held_in(&machine, &into).await, (tables, objects), "{name}");
    }
    // What is restored writes a WAL of its own, which does not go on in the former backup.
    machine.start("from-killed").await;
    let refusal = machine.operate("from-killed", &["backup"]).await.unwrap_err();
    assert!(refusal.contains("give a new --backup-directory"), "{refusal}");
    machine.kill().await;
}

/// Kills a restore that has begun. The next one into the same directory begins again.
async fn interrupt_restore(machine: &Machine, into: &str) {
    let [from, to] = ["backup", into].map(|name| machine.path(name));
    let paths = [from.to_str().unwrap(), to.to_str().unwrap()];
    let arguments = ["restore", "--at", "latest", "--backup-directory", paths[0], "--into", paths[1]];
    let mut restore = machine.on("none", &arguments).spawn().unwrap();
    until("the restore has begun", TIMEOUT, async || to.join("suite-secrets").exists()).await;
    let same = machine.restore("backup", "latest", into).await.unwrap_err();
    assert!(same.contains("another restore into") && same.contains("runs"), "{same}");
    restore.kill().await.unwrap();
}

/// Ends segments of the WAL without changing a table, and takes them over, until it is dropped.
async fn move_wal(machine: &Machine) {
    loop {
        for _ in 0..5 {
            machine.execute("data", "SELECT pg_logical_emit_message(true, 'test', 'x')").await;
            machine.execute("data", "SELECT pg_switch_wal()").await;
        }
        follow(machine).await;
    }
}

#[tokio::test]
async fn the_latest_state_comes_back_while_wal_arrives_and_is_taken_over() {
    let mut machine = Machine::new();
    machine.start("data").await;
    machine.import("data", "apollo", 10).await;
    machine.operate("data", &["backup"]).await.unwrap();
    let (_, tables, objects) = machine.moment("data").await;
    follow(&machine).await;
    interrupt_restore(&machine, "restored-0").await;
    let restores = async {
        for attempt in 0..3 {
            let into = format!("restored-{attempt}");
            let restored = machine.restore_with(&["--sessions", "keep"], "backup", "latest", &into).await;
            restored.unwrap_or_else(|words| panic!("{attempt}: {words}"));
            machine.operate("data", &["drill"]).await.unwrap();
        }
    };
    tokio::select! {
        () = restores => {}
        () = move_wal(&machine) => {}
    }
    machine.kill().await;
    for attempt in 0..3 {
        let found = held_in(&machine, &format!("restored-{attempt}")).await;
        assert_eq!(found, (without_background(tables.clone()), objects.clone()), "{attempt}");
    }
}

#[tokio::test]
async fn a_backup_moves_to_another_directory_and_refuses_one_inside_the_data() {
    let mut machine = Machine::new();
    machine.start("data").await;
    machine.operate("data", &["backup"]).await.unwrap();
    for (option, place) in [
        ("--backup-directory", "data/backup"),
        ("--backup-directory", ""),
        ("--mirror", "data/x"),
        ("--mirror", "backup/x"),
    ] {
        let place = machine.path(place);
        let refusal =
            machine.operate("data", &["backup", option, place.to_str().unwrap()]).await.unwrap_err();
        assert!(refusal.contains("must not lie in each other"), "{refusal}");
    }
    let former = ids(&BackupDirectory::open(&machine.path("backup")).unwrap());

    let other = machine.path("other");
    machine.operate("data", &["backup", "--backup-directory", other.to_str().unwrap()]).await.unwrap();

    assert_eq!(ids(&BackupDirectory::open(&machine.path("backup")).unwrap()), former);
    let before = arrived(&machine.path("backup"));
    machine.import("data", "apollo", 3).await;
    Machine::execute(&machine, "data", "SELECT pg_switch_wal()").await;
    all_is_sent(&machine).await;
    assert_eq!(arrived(&machine.path("backup")), before, "nothing arrives in the former directory");
    let (_, tables, objects) = machine.moment("data").await;
    machine
        .operate("data", &["backup", "follow", "--backup-directory", other.to_str().unwrap()])
        .await
        .unwrap();
    machine.kill().await;
    machine.restore_with(&["--sessions", "keep"], "other", "latest", "restored").await.unwrap();
    assert_eq!(held_in(&machine, "restored").await, (without_background(tables), objects));
}
