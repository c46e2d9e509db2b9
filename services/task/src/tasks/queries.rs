//! SQL of tasks. Row-level security shows a caller the tasks that they may see.

use crate::schema::tasks;
use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use shared::access::{
    AccessColumns, GatheredProjectReads, GatheredProjectWrites, Permission, ProjectAccess,
    gathered_project_writes,
};
use shared::database::{ColumnsOf, Database, GatheredReads, PreparedQuery, Transaction, TypedQuery, explain};
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::server::MAX_MESSAGE_BYTES;
use uuid::Uuid;

use super::{NewTask, Referrer, Task, TaskChange};
use crate::constraints::{CONSTRAINTS, DELETE_CONSTRAINTS};
use crate::task_keys::TaskKey;

/// Tasks of one call. The largest have some 100 KiB.
const MAX_READS_PER_CALL: usize = 64;

/// Reads of single tasks.
pub(crate) fn gathered_reads(database: &Database) -> GatheredProjectReads<Task> {
    GatheredReads::new::<(AccessColumns, ColumnsOf<Task>)>(database, "task.gather_tasks", MAX_READS_PER_CALL)
}

/// Tasks that one call creates: each locks its number, and the table of locks is small.
const MAX_CREATIONS_PER_CALL: usize = 32;

/// Creations of single tasks.
pub(crate) fn gathered_creations(database: &Database) -> GatheredProjectWrites<Task> {
    gathered_project_writes::<Task, (AccessColumns, ColumnsOf<Task>)>(
        database,
        "task.gather_created_tasks",
        MAX_CREATIONS_PER_CALL,
        Permission::TaskWrite,
    )
}

/// Tasks that one call changes, and locks until its transaction ends.
const MAX_UPDATES_PER_CALL: usize = 32;

/// Plain changes of single tasks.
pub(crate) fn gathered_updates(database: &Database) -> GatheredProjectWrites<Task> {
    gathered_project_writes::<Task, (AccessColumns, ColumnsOf<Task>)>(
        database,
        "task.gather_updated_tasks",
        MAX_UPDATES_PER_CALL,
        Permission::TaskWrite,
    )
}

/// What `task.gather_created_tasks` takes of one creation.
#[derive(Serialize)]
struct GatheredCreation<'a> {
    #[serde(flatten)]
    key: Option<&'a RequestKey>,
    task: &'a NewTask,
}

/// What `task.gather_updated_tasks` takes of one update.
#[derive(Serialize)]
struct GatheredUpdate<'a> {
    id: Uuid,
    etag: &'a str,
    change: &'a TaskChange,
}

/// A plain change as `task.gather_updated_tasks` takes it.
pub(crate) fn to_gathered_update(id: Uuid, etag: &str, change: &TaskChange) -> Result<Value> {
    serde_json::to_value(GatheredUpdate { id, etag, change }).map_err(Error::internal)
}

/// A creation as `task.gather_created_tasks` takes it.
pub(crate) fn to_gathered_creation(key: Option<&RequestKey>, task: &NewTask) -> Result<Value> {
    serde_json::to_value(GatheredCreation { key, task }).map_err(Error::internal)
}

pub(crate) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Task> {
    let task = tasks::table.find(id).select(Task::as_select()).first(&mut conn).await.optional()?;
    task.ok_or_else(|| Error::not_found("task", id))
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.project_of_logged_task"]
    fn logged_task_project(id: SqlUuid) -> Nullable<SqlUuid>;
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.project_key"]
    fn key_of_project_if_any(project_id: Nullable<SqlUuid>) -> Nullable<Text>;
}

/// The key of the project of a task that exists or did; empty for any other id.
pub(crate) async fn project_key_of_logged_task(mut conn: &AsyncPgConnection, id: Uuid) -> Result<String> {
    let key: Option<String> =
        diesel::select(key_of_project_if_any(logged_task_project(id))).get_result(&mut conn).await?;
    Ok(key.unwrap_or_default())
}

pub(crate) async fn project_key(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<String> {
    Ok(diesel::select(super::project_key(project_id)).get_result(&mut conn).await?)
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.task_of_key"]
    fn task_of_key(key: Text) -> Nullable<SqlUuid>;
}

pub(crate) async fn get_by_key(mut conn: &AsyncPgConnection, key: TaskKey) -> Result<Task> {
    let found = tasks::table.filter(tasks::id.nullable().eq(task_of_key(key.to_string())));
    let task = found.select(Task::as_select()).first(&mut conn).await.optional()?;
    task.ok_or_else(|| Error::not_found("task", key))
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

/// The tasks among these that the caller may read.
pub(crate) async fn readable(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let query = sql_query("SELECT id FROM task.readable_tasks($1) AS r(id)").bind::<Array<SqlUuid>, _>(ids);
    let rows: Vec<Id> = PreparedQuery(query).load(&mut conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A task that the caller may read.
pub(crate) async fn get_readable(conn: &AsyncPgConnection, id: Uuid) -> Result<Task> {
    let (task, readable) = futures::try_join!(get(conn, id), readable(conn, std::slice::from_ref(&id)))?;
    if readable.is_empty() { Err(Error::not_found("task", id)) } else { Ok(task) }
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.is_member"]
    fn is_member(project: Nullable<SqlUuid>, who: SqlUuid) -> Bool;
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.project_of_task"]
    fn project_of_task(id: SqlUuid) -> Nullable<SqlUuid>;
}

pub(crate) async fn has_member(mut conn: &AsyncPgConnection, referrer: Referrer, who: Uuid) -> Result<bool> {
    Ok(match referrer {
        Referrer::Project(id) => diesel::select(is_member(Some(id), who)).get_result(&mut conn).await?,
        Referrer::Task(id) => {
            diesel::select(is_member(project_of_task(id), who)).get_result(&mut conn).await?
        }
    })
}

/// The columns of [`Task`] in a query of `task.tasks t JOIN task.project_access a`.
pub(crate) const COLUMNS: &str = "t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, \
     t.priority, t.assignee_id, t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags, \
     t.metadata, t.created_at, t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, \
     a.key AS project_key, t.xmin";

/// No smaller than the bytes of a task in a message. A Struct takes up to four times its JSON, as text or as `jsonb`; the
/// text is made only of what is stored compressed.
pub(crate) const MESSAGE_BYTES: &str = "(600 + octet_length(t.title) + octet_length(coalesce(t.description, '')) \
     + CASE WHEN pg_column_compression(t.tags) IS NULL THEN pg_column_size(t.tags) \
         ELSE octet_length(t.tags::text) END \
     + 4 * CASE WHEN pg_column_compression(t.metadata) IS NULL THEN pg_column_size(t.metadata) \
         ELSE octet_length(t.metadata::text) END)::bigint";

/// Most bytes of the tasks in a response.
pub(crate) const MAX_RESPONSE_BYTES: i64 = MAX_MESSAGE_BYTES as i64 - 64 * 1024;

/// A row of a page, with the bytes of the rows up to it.
#[derive(Debug)]
pub(crate) struct SizedTask {
    pub(crate) task: Task,
    pub(crate) bytes: i64,
}

/// Loads rows of [`COLUMNS`], the place in the page, the bytes of the task, and those of the tasks up to it.
pub(crate) async fn load_sized<Q>(mut conn: &AsyncPgConnection, query: Q) -> QueryResult<Vec<SizedTask>>
where
    Q: QueryFragment<Pg> + Send,
{
    type Columns = (SqlTypeOf<AsSelect<Task, Pg>>, BigInt, BigInt, BigInt);
    let query = PreparedQuery(TypedQuery::<_, Columns>::new(query));
    let rows: Vec<(Task, i64, i64, i64)> = query.load(&mut conn).await?;
    Ok(rows.into_iter().map(|(task, _place, _own_bytes, bytes)| SizedTask { task, bytes }).collect())
}

/// How many rows fit into a response: at least one.
pub(crate) fn fitting<T>(rows: &[T], bytes: impl Fn(&T) -> i64) -> i64 {
    let count = rows.iter().take_while(|row| bytes(row) <= MAX_RESPONSE_BYTES).count().max(1);
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Writes answer with the task, so they need the permission to read it as well.
pub(crate) fn require_write_and_read(access: &ProjectAccess) -> Result<()> {
    access.require(Permission::TaskWrite)?;
    access.require(Permission::TaskRead)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
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
