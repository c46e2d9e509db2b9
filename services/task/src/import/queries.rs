//! What an import asks of the database, under the role of background work.

use std::collections::{HashMap, HashSet};

use crate::schema::tasks;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Jsonb, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use shared::database::{Prepared, constraint_of};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::outcome::Outcome;
use crate::graph;
use crate::tasks::Task;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// The projects of those of these tasks that exist.
pub(super) async fn projects_of(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Uuid>> {
    let rows: Vec<(Uuid, Uuid)> = tasks::table
        .filter(tasks::id.eq_any(ids))
        .select((tasks::id, tasks::project_id))
        .load(&mut conn)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Those of these projects that the copy knows.
pub(super) async fn known_projects(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    let query = sql_query(
        "SELECT project_id AS id FROM task.project_access WHERE project_id = ANY ($1) AND NOT deleted",
    )
    .bind::<Array<SqlUuid>, _>(ids);
    let rows: Vec<Id> = Prepared(query).load(&mut conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Stores tasks; answers with those that are new, and why others were refused after all.
pub(super) async fn store(conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<Stored> {
    match attempt(conn, tasks).await? {
        Ok(new) => Ok(Stored { new, refused: HashMap::new() }),
        // Something that a task refers to has just gone: find out which, one by one.
        Err(_) => store_one_by_one(conn, tasks).await,
    }
}

/// What became of tasks that were to be stored. The others were there already.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) new: HashSet<Uuid>,
    pub(super) refused: HashMap<Uuid, String>,
}

async fn store_one_by_one(conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<Stored> {
    let mut stored = Stored::default();
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
        "tasks_key_key" | "tasks_project_number_key" => "key is taken".to_owned(),
        "idx_tasks_project_rank" => "rank is taken".to_owned(),
        _ => format!("breaks the rule {rule}"),
    }
}

/// Inserts under a savepoint; the inner error names the constraint that was broken.
async fn attempt(mut conn: &AsyncPgConnection, tasks: &[&Task]) -> Result<Result<HashSet<Uuid>, String>> {
    conn.batch_execute("SAVEPOINT attempt").await?;
    let query = sql_query(
        "INSERT INTO task.tasks SELECT * FROM jsonb_populate_recordset(NULL::task.tasks, $1) \
         ON CONFLICT (id) DO NOTHING RETURNING id",
    )
    .bind::<Jsonb, _>(json!(tasks));
    let error = match Prepared(query).load::<Id>(&mut conn).await {
        Ok(rows) => return Ok(Ok(rows.into_iter().map(|row| row.id).collect())),
        Err(error) => error,
    };
    let Some(rule) = constraint_of(&error).map(str::to_owned) else { return Err(Error::from(error)) };
    conn.batch_execute("ROLLBACK TO SAVEPOINT attempt").await?;
    Ok(Err(rule))
}

/// Stores dependencies, each on its own.
pub(super) async fn import_dependencies(mut conn: &AsyncPgConnection, items: Value) -> Result<Vec<Outcome>> {
    graph::enter_alone(conn).await?;
    let query = sql_query("SELECT line, outcome, reason FROM task.import_task_dependencies($1)")
        .bind::<Jsonb, _>(items);
    Ok(Prepared(query).load(&mut conn).await?)
}

/// Stores keys of projects, each on its own.
pub(super) async fn import_project_keys(mut conn: &AsyncPgConnection, items: Value) -> Result<Vec<Outcome>> {
    let query =
        sql_query("SELECT line, outcome, reason FROM task.import_project_keys($1)").bind::<Jsonb, _>(items);
    Ok(Prepared(query).load(&mut conn).await?)
}
