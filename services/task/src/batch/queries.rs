//! SQL of batches: one statement for all items.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::schema::tasks;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Bool, Jsonb, Oid, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction};
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::tasks::Task;
use crate::tasks::queries::{COLUMNS, MAX_RESPONSE_BYTES, MESSAGE_BYTES, SizedTask, load_sized};

/// A row of a statement without a query builder, as JSON.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Jsonb)]
    task: Value,
    #[diesel(sql_type = Oid)]
    version: u32,
    #[diesel(sql_type = Text)]
    project_key: String,
}

#[derive(QueryableByName)]
struct Member {
    #[diesel(sql_type = Bool)]
    is_member: bool,
}

pub(super) async fn get(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>> {
    let found: Vec<Task> =
        tasks::table.filter(tasks::id.eq_any(ids)).select(Task::as_select()).load(&mut conn).await?;
    Ok(found.into_iter().map(|task| (task.id, task)).collect())
}

/// The projects of the visible ones among these tasks.
pub(super) async fn visible_projects(
    mut conn: &AsyncPgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>> {
    let found: Vec<(Uuid, Uuid)> = tasks::table
        .filter(tasks::id.eq_any(ids))
        .select((tasks::id, tasks::project_id))
        .load(&mut conn)
        .await?;
    Ok(found.into_iter().collect())
}

/// The tasks that have subtasks outside of this list.
pub(super) async fn parents_of_others(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    let others = tasks::table.filter(tasks::parent_task_id.eq_any(ids)).filter(tasks::id.ne_all(ids));
    let parents: Vec<Option<Uuid>> = others.select(tasks::parent_task_id).distinct().load(&mut conn).await?;
    Ok(parents.into_iter().flatten().collect())
}

/// Locks the tasks that the caller may change, in the order of their ids, so that two batches do not deadlock.
pub(super) async fn lock(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>> {
    let locked = tasks::table.filter(tasks::id.eq_any(ids)).order(tasks::id).for_no_key_update();
    let found: Vec<Task> = locked.select(Task::as_select()).load(&mut conn).await?;
    Ok(found.into_iter().map(|task| (task.id, task)).collect())
}

/// Tells the database which of these tasks a batch closes and which it leaves open, so that blockers are judged by the
/// state after the batch.
pub(super) async fn announce_status_changes(
    mut conn: &AsyncPgConnection,
    closed: &[Uuid],
    opened: &[Uuid],
) -> Result<()> {
    if closed.len() + opened.len() < 2 {
        return Ok(());
    }
    let query = sql_query("SELECT task.announce_status_changes($1, $2)")
        .bind::<Array<SqlUuid>, _>(closed)
        .bind::<Array<SqlUuid>, _>(opened);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

/// The readable tasks in the order of the request, until they fill a response, and at least one beyond that.
pub(super) async fn readable_tasks(conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<SizedTask>> {
    let query = sql_query(format!(
        "SELECT * FROM (SELECT {COLUMNS}, w.place, {MESSAGE_BYTES} AS own_bytes, \
             sum({MESSAGE_BYTES}) OVER (ORDER BY w.place)::bigint AS bytes \
         FROM unnest($1) WITH ORDINALITY w(id, place) JOIN task.readable_tasks($1) r(id) USING (id) \
             JOIN task.tasks t ON t.id = r.id JOIN task.project_access a ON a.project_id = t.project_id) found \
         WHERE bytes - own_bytes <= {MAX_RESPONSE_BYTES} ORDER BY place"
    ))
    .bind::<Array<SqlUuid>, _>(ids);
    Ok(load_sized(conn, query).await?)
}

/// The pairs of project and user that are memberships, for any caller.
pub(super) async fn memberships(
    mut conn: &AsyncPgConnection,
    pairs: &HashSet<(Uuid, Uuid)>,
) -> Result<HashSet<(Uuid, Uuid)>> {
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    let (projects, users): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().copied().unzip();
    let query = sql_query(
        "SELECT task.is_member(p, u) AS is_member FROM unnest($1, $2) WITH ORDINALITY w(p, u, place) ORDER BY place",
    )
    .bind::<Array<SqlUuid>, _>(&projects)
    .bind::<Array<SqlUuid>, _>(&users);
    let rows: Vec<Member> = PreparedQuery(query).load(&mut conn).await?;
    let found = projects.into_iter().zip(users).zip(rows);
    Ok(found.filter_map(|(pair, row)| row.is_member.then_some(pair)).collect())
}

/// Inserts tasks, given as rows, and commits. Their numbers are allocated at once, in the order of the rows.
pub(super) async fn insert(
    tx: Transaction,
    _access: &ProjectAccess,
    rows: Value,
) -> QueryResult<Result<Vec<Task>>> {
    let query = sql_query(
        "WITH r AS MATERIALIZED (SELECT row_number() OVER () AS place, x.* \
             FROM jsonb_populate_recordset(NULL::task.tasks, $1) x), \
         n AS MATERIALIZED (SELECT allocated.* FROM (SELECT array_agg(project_id ORDER BY place) AS projects, \
             array_agg(NULL::bigint) AS numbers FROM r) wanted, \
             LATERAL task.allocate_task_numbers(wanted.projects, wanted.numbers) allocated) \
         INSERT INTO task.tasks AS t (id, project_id, parent_task_id, title, description, status, priority, \
             assignee_id, creator_id, milestone_id, start_date, due_date, estimated_minutes, actual_minutes, tags, metadata, number) \
         SELECT r.id, r.project_id, r.parent_task_id, r.title, r.description, r.status, r.priority, r.assignee_id, \
             r.creator_id, r.milestone_id, r.start_date, r.due_date, r.estimated_minutes, r.actual_minutes, r.tags, r.metadata, n.number \
         FROM r JOIN n USING (place) ORDER BY place \
         RETURNING to_jsonb(t) AS task, t.xmin AS version, task.project_key(t.project_id) AS project_key",
    )
    .bind::<Jsonb, _>(rows);
    let rows: Vec<Row> = tx.commit_with(query).await?;
    Ok(rows.into_iter().map(Row::into_task).collect())
}

impl Row {
    fn into_task(self) -> Result<Task> {
        let task = Task::deserialize(self.task).map_err(Error::internal)?;
        Ok(Task { version: self.version, project_key: self.project_key, ..task })
    }
}

/// Updates tasks, given as `{"id": …, "<column>": …}`; an item keeps the columns that it leaves out. Only columns
/// that some item changes are set, so that triggers of other columns do not fire.
pub(super) async fn update(
    mut conn: &AsyncPgConnection,
    _access: &[ProjectAccess],
    changes: &[Map<String, Value>],
) -> QueryResult<usize> {
    let columns: BTreeSet<&String> =
        changes.iter().flat_map(Map::keys).filter(|column| *column != "id").collect();
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = r.{column}")).collect();
    let query = sql_query(format!(
        "UPDATE task.tasks t SET {} FROM jsonb_array_elements($1) c(change) \
         JOIN task.tasks k ON k.id = (c.change ->> 'id')::uuid, \
         LATERAL jsonb_populate_record(k, c.change) r WHERE t.id = k.id",
        set.join(", ")
    ))
    .bind::<Jsonb, _>(json!(changes));
    PreparedQuery(query).execute(&mut conn).await
}

pub(super) async fn commit_and_get(tx: Transaction, ids: &[Uuid]) -> Result<HashMap<Uuid, Task>> {
    let query = tasks::table.filter(tasks::id.eq_any(ids.to_vec())).select(Task::as_select());
    let found: Vec<Task> = tx.commit_with(query).await?;
    Ok(found.into_iter().map(|task| (task.id, task)).collect())
}

/// Deletes tasks and commits; returns those that existed.
pub(super) async fn delete(
    tx: Transaction,
    _access: &[ProjectAccess],
    ids: &[Uuid],
) -> QueryResult<HashSet<Uuid>> {
    let delete = diesel::delete(tasks::table.filter(tasks::id.eq_any(ids.to_vec()))).returning(tasks::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await?;
    Ok(deleted.into_iter().collect())
}
