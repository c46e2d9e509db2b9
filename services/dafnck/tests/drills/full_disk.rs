//! The disk of PostgreSQL is full: writers are told so and may retry, readers read on, and nothing acknowledged is lost.

use crate::harness::harness;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Instant;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use proto::project::v1::{GetProjectRequest, Project};
use proto::task::v1::{ListTasksRequest, TaskFilter};
use testkit::{Actor, SmallDisk, Suite, Topology, WriteLoad, task_writer, until, until_ok};

use super::{TIMEOUT, owner, start_postgres_again, wait_for_the_log};

const DISK_BYTES: u64 = 64 << 20;
/// Room for the log that there is at the start, and some more segments of 16 MiB.
const LOG_DISK_BYTES: u64 = 160 << 20;
const FULL: &str = "RESOURCE_EXHAUSTED STORAGE_FULL";
/// Writes that are acknowledged before the disk is full, and after there is room again.
const WRITES: usize = 20;

/// All tables and indexes of the suite from now on are on this disk.
async fn move_tables(suite: &Suite, disk: &SmallDisk) {
    let mut admin = suite.admin().await;
    let place = disk.folder.display();
    admin.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{place}'")).await.unwrap();
    let all = "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small; \
               ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small";
    // The services go on meanwhile, and take their locks in another order.
    until_ok("the tables move", TIMEOUT, async || admin.batch_execute(all).await).await;
}

async fn can_read(who: &Actor, project: &Project) {
    let list = ListTasksRequest {
        filter: Some(TaskFilter { project_ids: vec![project.id.clone()], ..Default::default() }),
        ..Default::default()
    };
    assert!(!who.tasks().list_tasks(list).await.unwrap().into_inner().tasks.is_empty());
    let get = GetProjectRequest { project_id: project.id.clone() };
    who.projects().get_project(get).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_of_tables_is_told_and_writes_go_on_when_there_is_room() {
    let suite = harness().start_alone_in(Topology::PLAIN).await;
    let servers = suite.servers.as_ref().unwrap();
    let disk = SmallDisk::mount(&servers.postgres.data, DISK_BYTES);
    let (olga, project) = owner(&suite).await;
    move_tables(&suite, &disk).await;
    let load = WriteLoad::new(task_writer(&olga, &project));
    let drill = async {
        load.wait_for_writes(WRITES).await;
        disk.fill();
        load.wait_for_refusal(FULL).await;
        can_read(&olga, &project).await;
        disk.free();
        let roomy = Instant::now();
        load.wait_for_writes(1).await;
        println!("there is room; writes were acknowledged again after {:?}", roomy.elapsed());
        load.wait_for_writes(WRITES).await;
        load.stop();
    };
    tokio::join!(load.run(), drill);
    let refusals = load.verify(&suite, "task.tasks").await;
    assert_eq!(refusals.keys().collect::<Vec<_>>(), [FULL], "{refusals:?}");
}

/// The log of PostgreSQL, which is stopped, is on this disk from now on.
fn move_log(suite: &Suite, disk: &SmallDisk) {
    let log = suite.servers.as_ref().unwrap().postgres.data.join("pg_wal");
    let moved = Command::new("cp").arg("--archive").arg(&log).arg(&disk.folder).status().unwrap();
    assert!(moved.success());
    fs::remove_dir_all(&log).unwrap();
    symlink(disk.folder.join("pg_wal"), &log).unwrap();
}

/// Uses up the segments of the log that were made in advance. PostgreSQL ends over the one that it cannot make.
async fn use_up_log(mut admin: AsyncPgConnection) {
    until("PostgreSQL ends", TIMEOUT, async || admin.batch_execute("SELECT pg_switch_wal()").await.is_err())
        .await;
}

/// PostgreSQL goes down over that, as it must; who runs it starts it again.
#[tokio::test]
async fn a_full_disk_of_the_log_loses_and_doubles_nothing() {
    let suite = harness().start_alone_in(Topology::PLAIN).await;
    let servers = suite.servers.as_ref().unwrap();
    let disk = SmallDisk::mount(&servers.postgres.data, LOG_DISK_BYTES);
    let (olga, project) = owner(&suite).await;
    servers.stop_postgres().await.unwrap();
    move_log(&suite, &disk);
    servers.start_postgres().await.unwrap();
    wait_for_the_log(&suite).await;
    let load = WriteLoad::new(task_writer(&olga, &project));
    let drill = async {
        load.wait_for_writes(WRITES).await;
        disk.fill();
        use_up_log(suite.admin().await).await;
        load.wait_for_refusal("UNAVAILABLE DEPENDENCY_UNAVAILABLE").await;
        disk.free();
        start_postgres_again(servers).await;
        let roomy = Instant::now();
        load.wait_for_writes(WRITES).await;
        println!("there is room; {WRITES} writes were acknowledged after {:?}", roomy.elapsed());
        load.stop();
    };
    tokio::join!(load.run(), drill);
    let refusals = load.verify(&suite, "task.tasks").await;
    println!("the writers were refused {refusals:?}");
}
