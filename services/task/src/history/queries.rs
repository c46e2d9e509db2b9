//! SQL of the history. Row-level security shows a caller the changes in projects that they may read.

use diesel_async::AsyncPgConnection;
use shared::change_log::{self, Record};
use shared::error::Result;
use shared::page::Page;
use uuid::Uuid;

use super::wire::PointInTimeInput;
use crate::NAME;
use crate::tasks::Task;

/// A page of a task's changes, newest first, plus one record if there are more.
pub(super) async fn history(
    conn: &AsyncPgConnection,
    task_id: Uuid,
    page: &Page<i64>,
) -> Result<Vec<Record>> {
    change_log::history(conn, NAME, ("tasks", task_id), page.after, page.size + 1).await
}

pub(super) async fn task_at(conn: &AsyncPgConnection, past: &PointInTimeInput) -> Result<Option<Task>> {
    change_log::row_at(conn, NAME, "tasks", past.id, past.at).await
}

/// A page of a project's tasks at a point in time, by id, plus one task if there are more.
pub(super) async fn tasks_at(
    conn: &AsyncPgConnection,
    past: &PointInTimeInput,
    page: &Page<Uuid>,
) -> Result<Vec<Task>> {
    let after = page.after.unwrap_or_default();
    change_log::rows_at(conn, NAME, "tasks", (past.id, past.at), after, page.size + 1).await
}
