//! Row-level security, tested with direct connections as the service's role.

use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use proto::project::v1::ProjectVisibility;
use proto::task::v1 as pb;
use testkit::*;
use uuid::Uuid;

use crate::fixtures::*;
use crate::milestones::{make, milestone};
use crate::time_entries::{span, track};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn connection_for(suite: &Suite, who: &Actor) -> AsyncPgConnection {
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    conn.batch_execute(&format!("SET app.current_user_id = '{}'", who.id)).await.unwrap();
    conn
}

async fn count(conn: &mut AsyncPgConnection, table: &str) -> i64 {
    let query = sql_query(format!("SELECT count(*) FROM task.{table}"));
    query.get_result::<Count>(conn).await.unwrap().count
}

#[tokio::test]
async fn row_security_hides_private_projects() {
    let Team { suite, olga, sam, project, .. } = &team().await;
    let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
    blocks(olga, &a, &b).await.unwrap();
    track(olga, span(&a, 0, 5)).await.unwrap();
    make(olga, milestone(project, "landed")).await.unwrap();
    let mut conn = connection_for(suite, sam).await;
    for table in ["tasks", "task_dependencies", "time_entries", "milestones"] {
        assert_eq!(count(&mut conn, table).await, 0, "{table}");
        let delete = sql_query(format!("DELETE FROM task.{table}"));
        assert_eq!(delete.execute(&mut conn).await.unwrap(), 0, "{table}");
    }
    let update = sql_query("UPDATE task.tasks SET title = 'mine'");
    assert_eq!(update.execute(&mut conn).await.unwrap(), 0);
    let insert = format!(
        "INSERT INTO task.tasks (project_id, title, creator_id) VALUES ('{}', 'mine', '{}')",
        project.id, sam.id
    );
    let refusal = sql_query(insert).execute(&mut conn).await.unwrap_err();
    assert!(refusal.to_string().contains("row-level security"), "{refusal}");
    let insert = format!(
        "INSERT INTO task.task_dependencies (task_id, depends_on_task_id) VALUES ('{}', '{}')",
        b.id, a.id
    );
    assert!(sql_query(insert).execute(&mut conn).await.is_err());
}

#[tokio::test]
async fn row_security_keeps_public_readers_from_writing() {
    let Team { suite, olga, sam, .. } = &team().await;
    let open = open_project(olga, ProjectVisibility::Public).await;
    let task = olga.task(&open, "seen by all").await;
    get(sam, &task).await.unwrap();
    let mut conn = connection_for(suite, sam).await;
    assert_eq!(count(&mut conn, "tasks").await, 1);
    for change in ["UPDATE task.tasks SET title = 'mine'", "DELETE FROM task.tasks"] {
        assert_eq!(sql_query(change).execute(&mut conn).await.unwrap(), 0, "{change}");
    }
}

#[tokio::test]
async fn row_security_keeps_members_from_the_time_of_others() {
    let Team { suite, olga, mia, project, .. } = &team().await;
    let task = olga.task(project, "fly").await;
    track(olga, span(&task, 0, 5)).await.unwrap();
    let mut conn = connection_for(suite, mia).await;
    assert_eq!(count(&mut conn, "time_entries").await, 1);
    for change in ["UPDATE task.time_entries SET note = 'mine'", "DELETE FROM task.time_entries"] {
        assert_eq!(sql_query(change).execute(&mut conn).await.unwrap(), 0, "{change}");
    }
    let forged = format!(
        "INSERT INTO task.time_entries (task_id, user_id, started_at) VALUES ('{}', '{}', now())",
        task.id, olga.id
    );
    let moved = "UPDATE task.time_entries SET user_id = user_id".to_owned();
    for change in [forged, moved] {
        assert!(sql_query(&change).execute(&mut conn).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn row_security_shows_nothing_without_a_user() {
    let Team { suite, olga, .. } = &team().await;
    olga.task(&open_project(olga, ProjectVisibility::Public).await, "seen by all").await;
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    assert_eq!(count(&mut conn, "tasks").await, 0);
    assert_eq!(count(&mut conn, "change_log").await, 0);
}

#[tokio::test]
async fn row_security_filters_the_change_log() {
    let Team { suite, olga, mia, sam, project, .. } = &team().await;
    let other = olga.project("gemini").await;
    let [here, there] = [olga.task(project, "here").await, olga.task(&other, "there").await];
    link(olga, &here, &there, pb::DependencyType::RelatesTo).await.unwrap();
    for (who, seen) in [(olga, 4), (mia, 1), (sam, 0)] {
        let mut conn = connection_for(suite, who).await;
        assert_eq!(count(&mut conn, "change_log").await, seen, "{}", who.name);
        let change = "DELETE FROM task.change_log";
        assert!(sql_query(change).execute(&mut conn).await.is_err());
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Integer)]
    slot: i32,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    access_role: Option<String>,
}

#[tokio::test]
async fn gathered_reads_show_each_row_as_its_own_caller_sees_it() {
    let Team { suite, olga, vic, sam, project, .. } = &team().await;
    let hidden: Uuid = olga.task(project, "hidden").await.id.parse().unwrap();
    let open: Uuid =
        olga.task(&open_project(olga, ProjectVisibility::Public).await, "open").await.id.parse().unwrap();
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    let reads = [
        (sam.id, hidden),
        (olga.id, hidden),
        (Uuid::nil(), hidden),
        (vic.id, hidden),
        (sam.id, hidden),
        (sam.id, open),
        (Uuid::nil(), open),
        (olga.id, Uuid::max()),
    ];
    let query = sql_query("SELECT slot, id, access_role FROM task.gather_tasks($1, $2, $3)")
        .bind::<Array<SqlUuid>, _>(reads.map(|(who, _)| who).to_vec())
        .bind::<Array<Text>, _>(reads.map(|_| "").to_vec())
        .bind::<Array<SqlUuid>, _>(reads.map(|(_, id)| id).to_vec());
    let found: Vec<Found> = query.load(&mut conn).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| (row.slot, row.id, row.access_role.as_deref())).collect();
    let expected =
        [(2, hidden, Some("owner")), (4, hidden, Some("viewer")), (6, open, None), (7, open, None)];
    assert_eq!(found, expected);
    assert_eq!(count(&mut conn, "tasks").await, 0, "the last caller is not that of the next statement");
}
