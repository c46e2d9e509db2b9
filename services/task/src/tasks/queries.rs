//! SQL of tasks. Row-level security shows a caller the tasks that they may see.

use crate::schema::tasks;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::{NewTask, Task, TaskChange};
use crate::constraints::{CONSTRAINTS, DELETE_CONSTRAINTS};

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Task> {
    let task = tasks::table.find(id).select(Task::as_select()).first(&mut conn).await.optional()?;
    task.ok_or_else(|| Error::not_found("task", id))
}

/// Locks a task until the transaction ends. `None` for a task that the caller may not change: row-level security
/// hides it from the lock.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Task>> {
    let locked = tasks::table.find(id).select(Task::as_select()).for_no_key_update();
    Ok(locked.first(&mut conn).await.optional()?)
}

pub(crate) async fn visible_project_of(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Uuid>> {
    Ok(tasks::table.find(id).select(tasks::project_id).first(&mut conn).await.optional()?)
}

pub(crate) async fn visible(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(tasks::table.filter(tasks::id.eq_any(ids)).select(tasks::id).load(&mut conn).await?)
}

pub(crate) async fn insert(tx: Transaction, _access: &ProjectAccess, task: NewTask) -> Result<Task> {
    let id = task.id;
    let insert = diesel::insert_into(tasks::table).values(task).returning(Task::as_returning());
    only(tx.commit_with(insert).await, id)
}

pub(crate) async fn update(
    tx: Transaction,
    _access: &ProjectAccess,
    id: Uuid,
    change: TaskChange,
) -> Result<Task> {
    let update = diesel::update(tasks::table.find(id)).set(change).returning(Task::as_returning());
    only(tx.commit_with(update).await, id)
}

diesel::define_sql_function! {
    /// Completes a task, unless open tasks block it.
    #[sql_name = "task.complete_task"]
    fn complete_task(id: SqlUuid) -> VarChar;
}

/// Completes a task and commits. The task is read by a second statement, because a statement does not see what a
/// function in it has changed.
pub(crate) async fn complete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<Task> {
    {
        let mut conn: &AsyncPgConnection = &tx;
        diesel::select(complete_task(id)).execute(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    }
    only(tx.commit_with(tasks::table.find(id).select(Task::as_select())).await, id)
}

pub(crate) async fn delete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = diesel::delete(tasks::table.find(id)).returning(tasks::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await.map_err(explain(DELETE_CONSTRAINTS))?;
    if deleted.is_empty() { Err(Error::not_found("task", id)) } else { Ok(()) }
}

fn only(rows: QueryResult<Vec<Task>>, id: Uuid) -> Result<Task> {
    rows.map_err(explain(CONSTRAINTS))?.pop().ok_or_else(|| Error::not_found("task", id))
}
