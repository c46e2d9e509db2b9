//! Tasks in the database. Row-level security shows a caller what they may see.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::schema::task::tasks;
use uuid::Uuid;

use super::{NewTask, Task, TaskChange, TaskFilter};
use crate::refusals::{CONSTRAINTS, DELETION};

/// Reads a task.
pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Task> {
    let task = tasks::table.find(id).select(Task::as_select()).first(&mut conn).await.optional()?;
    task.ok_or_else(|| Error::not_found("task", id))
}

/// Reads a task and keeps others from changing it until the transaction ends. A task that the caller may not
/// change cannot be locked and is `None`.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Task>> {
    let locked = tasks::table.find(id).select(Task::as_select()).for_no_key_update();
    Ok(locked.first(&mut conn).await.optional()?)
}

/// The project of a task, if the caller sees the task.
pub(crate) async fn visible_project_of(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Uuid>> {
    Ok(tasks::table.find(id).select(tasks::project_id).first(&mut conn).await.optional()?)
}

/// Those of these tasks that the caller sees.
pub(crate) async fn visible(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(tasks::table.filter(tasks::id.eq_any(ids)).select(tasks::id).load(&mut conn).await?)
}

/// A page of a project's tasks, newest first, and one more if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &TaskFilter,
    page: &Page<AfterTime>,
) -> Result<Vec<Task>> {
    let mut query = filtered(filter);
    if let Some(AfterTime { at, id }) = page.after {
        // The first condition is where the walk along the index begins; the second leaves out equal times.
        query = query.filter(tasks::created_at.le(at)).filter(tasks::created_at.lt(at).or(tasks::id.lt(id)));
    }
    let ordered = query.order((tasks::created_at.desc(), tasks::id.desc())).limit(page.size + 1);
    Ok(ordered.select(Task::as_select()).load(&mut conn).await?)
}

fn filtered(filter: &TaskFilter) -> tasks::BoxedQuery<'_, Pg> {
    let mut query = tasks::table.filter(tasks::project_id.eq(filter.project_id)).into_boxed();
    if !filter.statuses.is_empty() {
        query = query.filter(tasks::status.eq_any(&filter.statuses));
    }
    if !filter.priorities.is_empty() {
        query = query.filter(tasks::priority.eq_any(&filter.priorities));
    }
    if let Some(assignee) = filter.assignee_id {
        query = query.filter(tasks::assignee_id.eq(assignee));
    }
    if let Some(parent) = filter.parent_task_id {
        query = query.filter(tasks::parent_task_id.eq(parent));
    }
    if !filter.tags.is_empty() {
        query = query.filter(tasks::tags.contains(&filter.tags));
    }
    if let Some(due_before) = filter.due_before {
        query = query.filter(tasks::due_date.lt(due_before));
    }
    query
}

/// Stores a new task and commits.
pub(crate) async fn insert(tx: Transaction, _may: &ProjectAccess, task: NewTask) -> Result<Task> {
    let id = task.id;
    let insert = diesel::insert_into(tasks::table).values(task).returning(Task::as_returning());
    only(tx.commit_with(insert).await, id)
}

/// Stores a change and commits.
pub(crate) async fn update(
    tx: Transaction,
    _may: &ProjectAccess,
    id: Uuid,
    change: TaskChange,
) -> Result<Task> {
    let update = diesel::update(tasks::table.find(id)).set(change).returning(Task::as_returning());
    only(tx.commit_with(update).await, id)
}

diesel::define_sql_function! {
    /// Marks a task as done, unless others block it.
    #[sql_name = "task.complete_task"]
    fn complete_task(id: SqlUuid) -> VarChar;
}

/// Marks a task as done and commits. The second statement is one of its own, because a statement does not see
/// what a function in it has changed.
pub(crate) async fn complete(tx: Transaction, _may: &ProjectAccess, id: Uuid) -> Result<Task> {
    {
        let mut conn: &AsyncPgConnection = &tx;
        diesel::select(complete_task(id)).execute(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    }
    only(tx.commit_with(tasks::table.find(id).select(Task::as_select())).await, id)
}

/// Deletes a task and commits.
pub(crate) async fn delete(tx: Transaction, _may: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = diesel::delete(tasks::table.find(id)).returning(tasks::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await.map_err(explain(DELETION))?;
    if deleted.is_empty() { Err(Error::not_found("task", id)) } else { Ok(()) }
}

fn only(rows: QueryResult<Vec<Task>>, id: Uuid) -> Result<Task> {
    rows.map_err(explain(CONSTRAINTS))?.pop().ok_or_else(|| Error::not_found("task", id))
}
