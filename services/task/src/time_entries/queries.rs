//! SQL of time entries. Row-level security shows a caller those of projects that they may read, and lets them change
//! their own.

use crate::schema::{tasks, time_entries};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{NewTimeEntry, TimeEntry, TimeEntryChange, TimeEntryFilter};
use crate::constraints::CONSTRAINTS;

/// `None` for one that the caller may not see.
pub(super) async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<TimeEntry>> {
    let found = time_entries::table.find(id).select(TimeEntry::as_select());
    Ok(found.first(&mut conn).await.optional()?)
}

pub(super) async fn get(conn: &AsyncPgConnection, id: Uuid) -> Result<TimeEntry> {
    find(conn, id).await?.ok_or_else(|| Error::not_found("time_entry", id))
}

/// A time entry as the caller sees it, and as it is locked until the transaction ends: `None` if the caller may not
/// change it. Its task is locked first, as by the deletion of a task and by the trigger that sums up its time.
pub(super) async fn lock(
    conn: &AsyncPgConnection,
    id: Uuid,
) -> Result<(Option<TimeEntry>, Option<TimeEntry>)> {
    let (visible, (), locked) = try_join!(find(conn, id), lock_task_of(conn, id), lock_alone(conn, id))?;
    Ok((visible, locked))
}

async fn lock_task_of(mut conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let task_id = time_entries::table.find(id).select(time_entries::task_id);
    let task = tasks::table.filter(tasks::id.eq_any(task_id)).select(tasks::id).for_no_key_update();
    let _locked: Option<Uuid> = task.first(&mut conn).await.optional()?;
    Ok(())
}

async fn lock_alone(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<TimeEntry>> {
    let locked = time_entries::table.find(id).select(TimeEntry::as_select()).for_no_key_update();
    Ok(locked.first(&mut conn).await.optional()?)
}

pub(super) async fn insert(
    tx: Transaction,
    _access: &ProjectAccess,
    entry: NewTimeEntry,
) -> Result<TimeEntry> {
    let id = entry.id;
    let insert = diesel::insert_into(time_entries::table).values(entry).returning(TimeEntry::as_returning());
    only(tx.commit_with(insert).await, id)
}

pub(super) async fn update(
    tx: Transaction,
    _access: &ProjectAccess,
    id: Uuid,
    change: TimeEntryChange,
) -> Result<TimeEntry> {
    let update =
        diesel::update(time_entries::table.find(id)).set(change).returning(TimeEntry::as_returning());
    only(tx.commit_with(update).await, id)
}

/// Ends a time entry now. It is at least a microsecond long, also if it was to begin at this moment.
pub(super) async fn stop(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<TimeEntry> {
    let end = sql::<Nullable<Timestamptz>>("greatest(now(), started_at + interval '1 microsecond')");
    let stop = diesel::update(time_entries::table.find(id))
        .set(time_entries::ended_at.eq(end))
        .returning(TimeEntry::as_returning());
    only(tx.commit_with(stop).await, id)
}

pub(super) async fn delete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = diesel::delete(time_entries::table.find(id)).returning(time_entries::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await?;
    if deleted.is_empty() { Err(Error::not_found("time_entry", id)) } else { Ok(()) }
}

fn only(rows: QueryResult<Vec<TimeEntry>>, id: Uuid) -> Result<TimeEntry> {
    rows.map_err(explain(CONSTRAINTS))?.pop().ok_or_else(|| Error::not_found("time_entry", id))
}

/// The conditions of a filter on `task.time_entries e`, for [`filtered`].
pub(super) fn conditions(filter: &TimeEntryFilter) -> String {
    let given = [
        (filter.project_ids.is_some(), " AND e.project_id = ANY ($1)"),
        (filter.task_ids.is_some(), " AND e.task_id = ANY ($2)"),
        (filter.user_ids.is_some(), " AND e.user_id = ANY ($3)"),
        (filter.worked_at.start.is_some(), " AND (e.ended_at IS NULL OR e.ended_at > $4)"),
        (filter.worked_at.end.is_some(), " AND e.started_at < $5"),
    ];
    let given = given.into_iter().filter_map(|(is_given, condition)| is_given.then_some(condition));
    // The policies show the projects that the caller sees; a member may have lost the permission `task_read` in one.
    format!(
        "NOT EXISTS (SELECT 1 FROM task.project_access_members m WHERE m.project_id = e.project_id \
             AND m.user_id = task.current_user_id() AND m.permissions -> 'task_read' = 'false'){}",
        given.collect::<String>()
    )
}

/// A query whose first five parameters are those of [`conditions`].
pub(super) fn filtered(sql: String, filter: &TimeEntryFilter) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    sql_query(sql)
        .into_boxed()
        .bind::<Nullable<Array<SqlUuid>>, _>(filter.project_ids.clone())
        .bind::<Nullable<Array<SqlUuid>>, _>(filter.task_ids.clone())
        .bind::<Nullable<Array<SqlUuid>>, _>(filter.user_ids.clone())
        .bind::<Nullable<Timestamptz>, _>(filter.worked_at.start)
        .bind::<Nullable<Timestamptz>, _>(filter.worked_at.end)
}

/// A page of time entries, the latest start first, plus one if there are more.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &TimeEntryFilter,
    running: bool,
    page: &Page<AfterTime>,
) -> Result<Vec<TimeEntry>> {
    let conditions = conditions(filter);
    let running = if running { " AND e.ended_at IS NULL" } else { "" };
    let after = if page.after.is_some() { " AND (e.started_at, e.id) < ($7, $8)" } else { "" };
    let sql = format!(
        "SELECT e.id, e.task_id, e.project_id, e.user_id, e.started_at, e.ended_at, e.note, e.created_at, \
             e.updated_at, e.xmin \
         FROM task.time_entries e WHERE {conditions}{running}{after} \
         ORDER BY e.started_at DESC, e.id DESC LIMIT $6"
    );
    let mut query = filtered(sql, filter).bind::<BigInt, _>(page.size + 1);
    if let Some(AfterTime { at, id }) = page.after {
        query = query.bind::<Timestamptz, _>(at).bind::<SqlUuid, _>(id);
    }
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
