//! The move from one database to four, with the script that is there for it, and what becomes of those who follow.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use proto::content::v1::{
    ContentTarget, DocumentFilter, ListAttachmentsRequest, ListDocumentsRequest, content_target,
};
use proto::project::v1::{GetProjectRequest, Project};
use proto::task::v1::{ListTasksRequest, TaskFilter, WatchTasksRequest};
use shared::migrate;
use testkit::{Actor, Suite, TargetCluster, Topology, summary};

use crate::project_deletion::{full_project, nothing_is_left};

const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = Text)]
    hash: String,
}

/// Every table of the services with all that it holds, but for the transactions of the log, which are counted in each
/// cluster by itself.
async fn content_of(suite: &Suite, admin_url: impl Fn(&str) -> shared::config::Secret) -> Vec<Table> {
    let mut tables = Vec::new();
    for service in local_servers::suite::NAMES {
        let mut conn = shared::database::connect(&admin_url(service)).await.unwrap();
        let names: Vec<Name> = sql_query(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1",
        )
        .bind::<Text, _>(service)
        .load(&mut conn)
        .await
        .unwrap();
        for Name { name } in names {
            let query = format!(
                "SELECT '{name}' AS name, count(*) AS rows, \
                 coalesce(md5(string_agg(r, ' ' ORDER BY r)), '') AS hash \
                 FROM (SELECT (to_jsonb(t) - 'transaction_id')::text AS r FROM {name} t) rows"
            );
            tables.push(sql_query(query).get_result(&mut conn).await.unwrap());
        }
    }
    assert!(tables.len() > 30 && suite.options.database.len() > 1, "{} tables", tables.len());
    tables
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Runs a program with those of PostgreSQL on its path.
fn run(suite: &Suite, programs: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) {
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    let command = command.args(arguments).env("PATH", path).env("DAFNCK", env!("CARGO_BIN_EXE_dafnck"));
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {printed}", suite.options.database);
}

/// A token with which somebody can go on watching.
pub async fn resume_token(who: &Actor, project: &Project) -> String {
    let request = WatchTasksRequest { project_id: project.id.clone(), ..Default::default() };
    let mut stream = who.tasks().watch_tasks(request).await.unwrap().into_inner();
    tokio::time::timeout(TIMEOUT, stream.message()).await.unwrap().unwrap().unwrap().resume_token
}

pub async fn resume(who: &Actor, project: &Project, token: &str) -> String {
    let request = WatchTasksRequest {
        project_id: project.id.clone(),
        resume_token: token.to_owned(),
        ..Default::default()
    };
    match who.tasks().watch_tasks(request).await {
        Ok(_) => "OK".to_owned(),
        Err(status) => summary(&status),
    }
}

/// How many tasks, documents and files of a project somebody sees, after the project itself.
async fn seen(who: &Actor, project: &Project) -> [usize; 3] {
    let id = || project.id.clone();
    who.projects().get_project(GetProjectRequest { project_id: id() }).await.unwrap();
    let tasks = ListTasksRequest {
        filter: Some(TaskFilter { project_ids: vec![id()], ..Default::default() }),
        ..Default::default()
    };
    let tasks = who.tasks().list_tasks(tasks).await.unwrap().into_inner().tasks.len();
    let documents = ListDocumentsRequest {
        filter: Some(DocumentFilter { project_ids: vec![id()], ..Default::default() }),
        ..Default::default()
    };
    let documents = who.documents().list_documents(documents).await.unwrap().into_inner().documents.len();
    let files = ListAttachmentsRequest {
        target: Some(ContentTarget { target: Some(content_target::Target::ProjectId(id())) }),
        ..Default::default()
    };
    let files = who.attachments().list_attachments(files).await.unwrap().into_inner().attachments.len();
    [tasks, documents, files]
}

#[tokio::test]
async fn a_filled_suite_moves_from_one_database_to_four_and_loses_nothing() {
    let mut suite = harness().start_in(Topology::PLAIN).await;
    let olga = suite.user("olga").await;
    let gus = suite.guest("gus").await;
    let project = full_project(&olga, &gus).await;
    let token = resume_token(&gus, &project).await;
    let saw = seen(&gus, &project).await;
    assert_eq!(resume(&gus, &project, &token).await, "OK");
    suite.stop().await;
    let before = content_of(&suite, |_| suite.admin_url.clone()).await;

    let other = TargetCluster::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/postgres/one-to-four.sh");
    run(&suite, other.programs(), script, &[suite.admin_url.expose(), &other.admin_url()]);
    let at = |service: &str| other.admin_url().replace("{service}", service).into();
    assert_eq!(content_of(&suite, at).await, before);

    let suite = other.move_suite(suite).await;
    let [olga, gus] = [olga.after_restart(&suite), gus.after_restart(&suite)];
    assert_eq!(seen(&gus, &project).await, saw, "nobody is logged out, and everything is there");
    assert_eq!(resume(&gus, &project, &token).await, "OUT_OF_RANGE CURSOR_EXPIRED");
    let token = resume_token(&gus, &project).await;
    assert_eq!(resume(&gus, &project, &token).await, "OK");
    // The followers of the feeds have found their way into the new log.
    let delete =
        proto::project::v1::DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(delete).await.unwrap();
    nothing_is_left(&suite, &project).await;
}

/// Positions are counted in the life of a database; a dump that is restored over itself begins another.
#[tokio::test]
async fn a_dump_restored_into_the_same_database_is_noticed_by_those_who_follow() {
    let mut suite = harness().start_in(Topology::PLAIN).await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let task = olga.task(&project, "build").await;
    let token = resume_token(&olga, &project).await;
    suite.stop().await;
    migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap();
    let programs = testkit::postgres_bin_directory().await;
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump.sql");
    let (url, dump) = (suite.admin_url.expose(), dump.to_str().unwrap());
    run(&suite, &programs, "pg_dump", &["--dbname", url, "--schema=task", "--clean", "--file", dump]);
    run(
        &suite,
        &programs,
        "psql",
        &["--dbname", url, "--quiet", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-f", dump],
    );
    suite.restart().await;

    let olga = olga.after_restart(&suite);
    assert_eq!(seen(&olga, &project).await, [1, 0, 0], "{}", task.id);
    assert_eq!(resume(&olga, &project, &token).await, "OUT_OF_RANGE CURSOR_EXPIRED");
}
