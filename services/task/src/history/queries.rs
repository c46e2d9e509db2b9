//! The past in the database. Row-level security shows a caller the log of the projects that they may read.

use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::change_log::{self, Record};
use shared::database::Prepared;
use shared::error::{Error, Result};
use shared::page::Page;
use uuid::Uuid;

use super::wire::Past;
use crate::NAME;
use crate::feed::read;
use crate::tasks::Task;

/// Whether the changes since a time are kept, and a task as it was then, or nothing beside it.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    is_kept: bool,
    #[diesel(sql_type = Nullable<Jsonb>)]
    task: Option<Value>,
}

/// A page of a task's changes, newest first, and one more if there are more.
pub(super) async fn history(
    conn: &AsyncPgConnection,
    task_id: Uuid,
    page: &Page<i64>,
) -> Result<Vec<Record>> {
    change_log::history(conn, NAME, ("tasks", task_id), page.after, page.size + 1).await
}

/// A task as it was, or `None`. One statement, so that log and table are of one snapshot.
pub(super) async fn task_at(mut conn: &AsyncPgConnection, past: &Past) -> Result<Option<Task>> {
    let query = sql_query(
        "WITH next AS (SELECT old_values FROM task.change_log \
         WHERE entity = 'tasks' AND entity_id = $1 AND changed_at > $2 ORDER BY position LIMIT 1) \
         SELECT coalesce(h.changed_at <= $2, TRUE) AS is_kept, CASE WHEN EXISTS (SELECT 1 FROM next) \
         THEN (SELECT old_values FROM next) ELSE (SELECT to_jsonb(t) FROM task.tasks t WHERE t.id = $1) END AS task \
         FROM task.change_log_horizon h",
    )
    .bind::<SqlUuid, _>(past.id)
    .bind::<Timestamptz, _>(past.at);
    let rows: Vec<Row> = Prepared(query).load(&mut conn).await?;
    Ok(tasks_of(&rows)?.pop())
}

/// A page of a project's tasks as they were, by id, and one more if there are more.
pub(super) async fn tasks_at(
    mut conn: &AsyncPgConnection,
    past: &Past,
    page: &Page<Uuid>,
) -> Result<Vec<Task>> {
    let query = sql_query(
        "WITH next AS (SELECT DISTINCT ON (entity_id) entity_id, old_values FROM task.change_log \
         WHERE project_id = $1 AND entity = 'tasks' AND changed_at > $2 AND entity_id > $3 \
         ORDER BY entity_id, position), \
         past AS ( \
         SELECT entity_id AS id, old_values AS task FROM next WHERE old_values IS NOT NULL \
         UNION ALL SELECT t.id, to_jsonb(t) FROM task.tasks t \
         WHERE t.project_id = $1 AND t.id > $3 AND NOT EXISTS (SELECT 1 FROM next n WHERE n.entity_id = t.id)) \
         SELECT coalesce(h.changed_at <= $2, TRUE) AS is_kept, p.task FROM task.change_log_horizon h \
         LEFT JOIN (SELECT * FROM past ORDER BY id LIMIT $4) p ON TRUE ORDER BY p.id",
    )
    .bind::<SqlUuid, _>(past.id)
    .bind::<Timestamptz, _>(past.at)
    .bind::<SqlUuid, _>(page.after.unwrap_or_default())
    .bind::<BigInt, _>(page.size + 1);
    let rows: Vec<Row> = Prepared(query).load(&mut conn).await?;
    tasks_of(&rows)
}

fn tasks_of(rows: &[Row]) -> Result<Vec<Task>> {
    if rows.iter().any(|row| !row.is_kept) {
        return Err(Error::CursorExpired);
    }
    rows.iter().filter_map(|row| read(row.task.as_ref()).transpose()).collect()
}
