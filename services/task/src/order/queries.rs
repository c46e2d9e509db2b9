//! SQL of moves.

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

/// Locks the order of the task's project and makes sure that there is a rank for this move. Call it before the first
/// row lock. Sent as plain text: ahead of any statement of the same pipeline that must be prepared first.
pub(super) async fn ensure_rank_space(
    mut conn: &AsyncPgConnection,
    task_id: Uuid,
    destination: Destination,
) -> Result<()> {
    let (anchor, behind) = (destination.anchor(), destination.is_after());
    Ok(conn
        .batch_execute(&format!("SELECT task.ensure_rank_space('{task_id}', '{anchor}', {behind})"))
        .await?)
}

diesel::define_sql_function! {
    #[sql_name = "task.rank_beside"]
    fn rank_beside(moving: SqlUuid, anchor: SqlUuid, behind: Bool) -> Text;
}

pub(super) async fn move_task(
    tx: Transaction,
    _access: &ProjectAccess,
    id: Uuid,
    destination: Destination,
) -> Result<Task> {
    let update = diesel::update(tasks::table.find(id))
        .set(tasks::rank.eq(rank_beside(id, destination.anchor(), destination.is_after())))
        .returning(Task::as_returning());
    let mut moved = tx.commit_with(update).await.map_err(explain(CONSTRAINTS))?;
    moved.pop().ok_or_else(|| Error::not_found("task", id))
}
