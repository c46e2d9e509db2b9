//! SQL of the import, as the worker role.

use std::collections::{HashMap, HashSet};

use crate::schema::tasks;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Jsonb, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use shared::database::{PreparedQuery, constraint_of};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::outcome::ItemOutcome;
use crate::graph;
use crate::tasks::Task;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

pub(super) async fn projects_of(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Uuid>> {
    let rows: Vec<(Uuid, Uuid)> = tasks::table
        .filter(tasks::id.eq_any(ids))
        .select((tasks::id, tasks::project_id))
        .load(&mut conn)
        .await?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn store(conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<StoreOutcome> {
    match attempt(conn, tasks).await? {
        Ok(new) => Ok(StoreOutcome { new, refused: HashMap::new() }),
        // A referenced row has just been deleted: find out which, one by one.
        Err(_) => store_one_by_one(conn, tasks).await,
    }
}

/// Tasks in neither field existed before.
#[derive(Debug, Default)]
pub(super) struct StoreOutcome {
    pub(super) new: HashSet<Uuid>,
    pub(super) refused: HashMap<Uuid, String>,
}

async fn store_one_by_one(conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<StoreOutcome> {
    let mut stored = StoreOutcome::default();
    for task in tasks {
        match attempt(conn, std::slice::from_ref(task)).await? {
            Ok(new) => stored.new.extend(new),
            Err(rule) => {
                stored.refused.insert(task.id, sentence(&rule));
            }
        }
    }
    Ok(stored)
}

fn sentence(rule: &str) -> String {
    match rule {
        "tasks_project_number_key" => "number is taken".to_owned(),
        "tasks_milestone_id_fkey" => "milestone_id names no milestone of the project".to_owned(),
        "idx_tasks_project_rank" => "rank is taken".to_owned(),
        _ => format!("breaks the rule {rule}"),
    }
}

/// Inserts under a savepoint; the inner error is the name of the violated constraint.
async fn attempt(mut conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<Result<HashSet<Uuid>, String>> {
    conn.batch_execute("SAVEPOINT attempt").await?;
    let query = sql_query(
        "INSERT INTO task.tasks SELECT * FROM jsonb_populate_recordset(NULL::task.tasks, $1) \
         ON CONFLICT (id) DO NOTHING RETURNING id",
    )
    .bind::<Jsonb, _>(json!(tasks));
    let error = match PreparedQuery(query).load::<Id>(&mut conn).await {
        Ok(rows) => return Ok(Ok(rows.into_iter().map(|row| row.id).collect())),
        Err(error) => error,
    };
    let Some(rule) = constraint_of(&error).map(str::to_owned) else { return Err(Error::from(error)) };
    conn.batch_execute("ROLLBACK TO SAVEPOINT attempt").await?;
    Ok(Err(rule))
}

/// Inserts dependencies; each has its own outcome.
pub(super) async fn import_dependencies(
    mut conn: &AsyncPgConnection,
    items: Value,
) -> Result<Vec<ItemOutcome>> {
    graph::lock_exclusive(conn).await?;
    let query = sql_query("SELECT line, outcome, reason FROM task.import_task_dependencies($1)")
        .bind::<Jsonb, _>(items);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// Inserts milestones; each has its own outcome.
pub(super) async fn import_milestones(
    mut conn: &AsyncPgConnection,
    items: Value,
) -> Result<Vec<ItemOutcome>> {
    let query =
        sql_query("SELECT line, outcome, reason FROM task.import_milestones($1)").bind::<Jsonb, _>(items);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// Inserts time entries; each has its own outcome.
pub(super) async fn import_time_entries(
    mut conn: &AsyncPgConnection,
    items: Value,
) -> Result<Vec<ItemOutcome>> {
    let query =
        sql_query("SELECT line, outcome, reason FROM task.import_time_entries($1)").bind::<Jsonb, _>(items);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// Raises the last numbers of projects; each has its own outcome.
pub(super) async fn import_counters(mut conn: &AsyncPgConnection, items: Value) -> Result<Vec<ItemOutcome>> {
    let query =
        sql_query("SELECT line, outcome, reason FROM task.import_task_counters($1)").bind::<Jsonb, _>(items);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
