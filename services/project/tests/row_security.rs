//! What SQL under the service's role can do without the checks of a handler.

use crate::calls::*;
use crate::harness::harness;
use diesel::sql_query;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use proto::project::v1::ProjectRole;
use uuid::Uuid;

const EVERYTHING: [&str; 6] = [
    "SELECT id FROM project.projects",
    "SELECT id FROM project.project_members",
    "UPDATE project.projects SET name = 'mine'",
    "UPDATE project.project_members SET role = 'viewer'",
    "DELETE FROM project.project_members",
    "DELETE FROM project.projects",
];

/// How many rows each statement touches on behalf of this user; rolled back.
async fn touched(conn: &mut AsyncPgConnection, user_id: Option<Uuid>) -> Vec<usize> {
    let mut counts = Vec::new();
    for statement in EVERYTHING {
        conn.batch_execute("BEGIN").await.unwrap();
        if let Some(user_id) = user_id {
            conn.batch_execute(&format!("SET LOCAL app.current_user_id = '{user_id}'")).await.unwrap();
        }
        counts.push(sql_query(statement).execute(conn).await.unwrap());
        conn.batch_execute("ROLLBACK").await.unwrap();
    }
    counts
}

#[tokio::test]
async fn sql_on_behalf_of_a_stranger_touches_no_row() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &suite.guest("vera").await, ProjectRole::Viewer).await;
    let mut conn = suite.connect_as(Role::requests_of("project")).await;
    assert_eq!(touched(&mut conn, Some(gus.id)).await, [0; 6]);
    assert_eq!(touched(&mut conn, Some(Uuid::nil())).await, [0; 6]);
    assert_eq!(touched(&mut conn, None).await, [0; 6]);
    assert_eq!(touched(&mut conn, Some(olga.id)).await[..2], [1, 2]);
}

#[tokio::test]
async fn sql_on_behalf_of_a_visitor_reads_only_the_public_project() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    project_seen_by(&olga, "apollo", PUBLIC).await;
    let mut conn = suite.connect_as(Role::requests_of("project")).await;
    assert_eq!(touched(&mut conn, Some(gus.id)).await, [1, 0, 0, 0, 0, 0]);
    assert_eq!(touched(&mut conn, None).await, [0; 6]);
}

#[tokio::test]
async fn sql_on_behalf_of_a_stranger_cannot_insert_a_member() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let mut conn = suite.connect_as(Role::requests_of("project")).await;
    let intrusion = format!(
        "BEGIN; SET LOCAL app.current_user_id = '{0}'; \
         INSERT INTO project.project_members (project_id, user_id) VALUES ('{1}', '{0}')",
        gus.id, project.id
    );
    let refusal = conn.batch_execute(&intrusion).await.unwrap_err();
    assert!(refusal.to_string().contains("row-level security"), "{refusal}");
}
