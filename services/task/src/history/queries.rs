//! SQL of the history. Row-level security shows a caller the changes in projects that they may read.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures::try_join;
use shared::change_log::{self, Record, TruncatedRows};
use shared::error::Result;
use shared::validation::TimeRange;
use uuid::Uuid;

use crate::NAME;
use crate::tasks::Task;
use crate::tasks::queries::project_key_of_logged_task;

/// A page of a task's changes, newest first, plus at least one record if there are more; the project's key; and the
/// size of the page, which is smaller than requested if it would not fit into a response.
pub(super) async fn history(
    conn: &AsyncPgConnection,
    task_id: Uuid,
    changed_at: TimeRange,
    before: Option<i64>,
    size: i64,
) -> Result<(Vec<Record>, String, i64)> {
    let entity = ("tasks", task_id);
    let (records, key) = try_join!(
        change_log::bounded_history(conn, NAME, entity, changed_at, before, size + 1),
        project_key_of_logged_task(conn, task_id)
    )?;
    let size = page_size(&records, size);
    Ok((records.rows, key, size))
}

/// A task at a point in time.
pub(super) async fn task_at(conn: &AsyncPgConnection, id: Uuid, at: DateTime<Utc>) -> Result<Option<Task>> {
    let (task, project_key) =
        try_join!(change_log::row_at(conn, NAME, "tasks", id, at), project_key_of_logged_task(conn, id))?;
    Ok(task.map(|task: Task| Task { project_key, ..task }))
}

/// A page of a project's tasks at a point in time, by id, plus at least one task if there are more, and the size of the
/// page.
pub(super) async fn tasks_at(
    conn: &AsyncPgConnection,
    (project_id, at): (Uuid, DateTime<Utc>),
    after: Option<Uuid>,
    size: i64,
) -> Result<(Vec<Task>, i64)> {
    let after = after.unwrap_or_default();
    let tasks = change_log::bounded_rows_at(conn, NAME, "tasks", (project_id, at), after, size + 1).await?;
    let size = page_size(&tasks, size);
    Ok((tasks.rows, size))
}

/// The last row of a page that ended early is read again by the next one.
fn page_size<T>(found: &TruncatedRows<T>, size: i64) -> i64 {
    let count = i64::try_from(found.rows.len()).unwrap_or(i64::MAX);
    if found.is_partial { size.min(count - 1) } else { size }
}
