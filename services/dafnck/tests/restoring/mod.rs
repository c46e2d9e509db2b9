//! Backups are worth what a restore gives: with the real program, PostgreSQL, Redis and Barman.

mod real_data;
mod states;
mod window;

use std::fs;

use chrono::{SecondsFormat, TimeDelta, Utc};
use dafnck::restore::Tables;
use local_servers::{DataDirectory, LocalOptions};
use proto::project::v1 as project;
use testkit::summary;

use crate::end_sessions_command::another_device;
use crate::local_suite::{Machine, Objects, files_below};
use crate::topologies::moving::{resume, resume_token};

/// What the tables and the file store of a restored directory hold, before any service has touched them.
async fn held(machine: &Machine, data: &str) -> (Tables, Objects) {
    let servers = local_servers::start(
        LocalOptions {
            cache: std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache"),
            data: DataDirectory::Persistent(machine.path(data)),
            postgres_port: None,
            redis_port: None,
            postgres_bin: None,
            redis_bin: None,
            certificates: None,
        },
        |_| {},
    )
    .await
    .unwrap();
    let tables = crate::local_suite::tables(|name| servers.postgres.admin_url(name)).await;
    servers.stop().await.unwrap();
    (tables, machine.objects(data))
}

fn text(time: chrono::DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[tokio::test]
async fn after_a_catastrophe_a_suite_is_as_it_was_at_a_moment() {
    let mut machine = Machine::new();
    machine.start("data").await;
    let olga = machine.register("data", "olga").await;
    machine.import("data", "apollo", 400).await;
    machine.operate("data", &["backup"]).await.unwrap();
    machine.import("data", "gemini", 400).await;
    let mine = olga.project("Mine").await;
    let token = resume_token(&olga, &mine).await;
    assert_eq!(resume(&olga, &mine, &token).await, "OK");

    let (moment, tables, objects) = machine.moment("data").await;

    machine.import("data", "skylab", 10).await;
    let second = machine.path("second");
    let follow = ["backup", "follow", "--mirror", second.to_str().unwrap()];
    machine.operate("data", &follow).await.unwrap();
    machine.execute("data", "DROP SCHEMA content CASCADE; DELETE FROM task.tasks;").await;
    fs::remove_dir_all(machine.path("data/files")).unwrap();
    machine.kill().await;
    fs::remove_dir_all(machine.path("data")).unwrap();

    machine.restore_with(&["--sessions", "keep"], "backup", &text(moment), "restored").await.unwrap();
    // The second place is as good, also without the first.
    fs::rename(machine.path("backup"), machine.path("lost")).unwrap();
    let said = machine.restore("second", &text(moment), "again").await.unwrap();
    assert!(said.contains("ended 1 sessions, 0 API tokens and 0 codes\n"), "{said}");
    assert_eq!(held(&machine, "restored").await, (tables.clone(), objects.clone()));
    let (mut tables_now, objects_now) = held(&machine, "again").await;
    for table in ["identity.user_sessions", "identity.change_log"] {
        assert_ne!(tables_now.insert(table.to_owned(), tables[table].clone()), Some(tables[table].clone()));
    }
    assert_eq!((tables_now, objects_now), (tables, objects), "but for what tells of sessions");

    machine.start("again").await;
    let get = project::GetProjectRequest { project_id: mine.id.clone() };
    let refusal = olga.projects().get_project(get.clone()).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_INVALID");
    let olga = another_device(&olga).await;
    assert_eq!(olga.projects().get_project(get).await.unwrap().into_inner().name, "Mine");
    assert_eq!(resume(&olga, &mine, &token).await, "OUT_OF_RANGE CURSOR_EXPIRED");
    machine.import("again", "mercury", 10).await;
    fs::rename(machine.path("lost"), machine.path("backup")).unwrap();
    let former = machine.operate("again", &["backup"]).await.unwrap_err();
    assert!(former.contains("give a new --backup-directory"), "{former}");
    let fresh = machine.path("fresh");
    machine.operate("again", &["backup", "--backup-directory", fresh.to_str().unwrap()]).await.unwrap();
    let drill = machine.operate("again", &["drill"]).await.unwrap();
    assert!(drill.contains("are as they were"), "{drill}");
    machine.kill().await;
}

#[tokio::test]
async fn a_damaged_backup_and_a_moment_that_it_lacks_are_named() {
    let mut machine = Machine::new();
    machine.start("data").await;
    machine.import("data", "apollo", 400).await;
    let early = Utc::now();
    machine.operate("data", &["backup"]).await.unwrap();

    // A backup that is killed leaves the former one, and the next one comes about.
    let before = files_below(&machine.path("backup/barman/main/base")).len();
    let mut backup = machine.begin_backup("data");
    let group = backup.id().unwrap();
    while files_below(&machine.path("backup/barman/main/base")).len() == before {
        assert!(backup.try_wait().unwrap().is_none(), "it was too fast to be killed");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // With the programs that it has started.
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -KILL -{group}")]).status();
    assert!(kill.unwrap().success() && !backup.wait().await.unwrap().success());
    machine.import("data", "gemini", 400).await;
    machine.operate("data", &["backup", "follow"]).await.unwrap();
    machine.kill().await;
    machine.restore("backup", "latest", "whole").await.unwrap();

    let refused = async |at: &str| {
        let words = machine.restore("backup", at, "refused").await.unwrap_err();
        let last = words.lines().filter(|line| line.starts_with("dafnck: ")).collect::<String>();
        assert!(files_below(&machine.path("refused")).is_empty(), "something is left of: {words}");
        last
    };
    let old = refused(&text(early)).await;
    assert!(old.contains("no base backup is that old. The backup reaches from "), "{old}");
    let yet = refused(&text(Utc::now() + TimeDelta::hours(1))).await;
    assert!(yet.contains("is yet to come. The backup reaches from "), "{yet}");
    let after = refused(&text(Utc::now())).await;
    assert!(after.contains("The backup reaches from ") && after.contains("`--at latest`"), "{after}");
    let used = machine.restore("backup", "latest", "whole").await.unwrap_err();
    assert!(used.contains("is not empty"), "{used}");

    let base = machine.find("backup/barman/main/base", |path| {
        path.metadata().unwrap().len() > 100_000 && path.to_string_lossy().contains("/data/base/")
    });
    let log = |path: &std::path::Path| path.file_name().unwrap().len() == 24;
    let log = machine.find("backup/barman/main/wals", log);
    for (file, words) in [(&base, "the base backup "), (&log, "is not what was backed up")] {
        machine.damage(file);
        let refusal = refused("latest").await;
        assert!(refusal.contains(words) && refusal.contains("damaged"), "{refusal}");
        machine.damage(file);
    }
    let aside = machine.path("aside");
    fs::rename(&log, &aside).unwrap();
    let gap = refused("latest").await;
    assert!(gap.contains("is missing"), "{gap}");
    fs::rename(&aside, &log).unwrap();

    let object = machine.find("backup/files", |_| true);
    machine.damage(&object);
    let damaged = machine.restore("backup", "latest", "without-a-file").await.unwrap_err();
    assert!(damaged.contains("the database is restored, but not all files are whole"), "{damaged}");
    let name = object.strip_prefix(machine.path("backup/files")).unwrap().display();
    assert!(damaged.contains(&format!("the copy of {name} is damaged")), "{damaged}");
}
