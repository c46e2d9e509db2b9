//! Moves in the database.

use crate::schema::tasks;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::Destination;
use crate::constraints::CONSTRAINTS;
use crate::tasks::Task;

/// Waits until no other task of the same project is moved, and sees to it that there is a rank for this one. Comes
/// before the first lock of a row, and so is sent as plain text: ahead of any statement of the same flight that must be
/// prepared first.
pub(super) async fn ensure_rank_space(
    mut conn: &AsyncPgConnection,
    task_id: Uuid,
    destination: Destination,
) -> Result<()> {
    let (anchor, behind) = (destination.anchor(), destination.is_behind());
    Ok(conn
        .batch_execute(&format!("SELECT task.ensure_rank_space('{task_id}', '{anchor}', {behind})"))
        .await?)
}

diesel::define_sql_function! {
    /// The rank beside another task.
    #[sql_name = "task.rank_beside"]
    fn rank_beside(moving: SqlUuid, anchor: SqlUuid, behind: Bool) -> Text;
}

/// Moves a task and commits.
pub(super) async fn move_task(
    tx: Transaction,
    _may: &ProjectAccess,
    id: Uuid,
    destination: Destination,
) -> Result<Task> {
    let update = diesel::update(tasks::table.find(id))
        .set(tasks::rank.eq(rank_beside(id, destination.anchor(), destination.is_behind())))
        .returning(Task::as_returning());
    let mut moved = tx.commit_with(update).await.map_err(explain(CONSTRAINTS))?;
    moved.pop().ok_or_else(|| Error::not_found("task", id))
}
