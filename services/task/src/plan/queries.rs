//! SQL of the dependency graph. Row-level security decides which tasks the caller sees; edges are returned even if it
//! hides one of their tasks.

use crate::schema::tasks;
use crate::schema::{DependencyType, SqlDependencyType, TaskStatus};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Bool, Integer, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use super::{Edge, GraphTask, MAX_GRAPH_EDGES, MAX_PLANNED_EDGES, MAX_PLANNED_TASKS};
use crate::tasks::queries::readable as readable_ids;

/// The edges around a task in one direction, plus one if there are more than a graph may have.
pub(super) async fn edges_around(
    mut conn: &AsyncPgConnection,
    origin: Uuid,
    towards_awaited: bool,
    kinds: &[DependencyType],
    depth: i32,
) -> Result<Vec<Edge>> {
    let query = sql_query("SELECT * FROM task.edges_around($1, $2, $3, $4, $5)")
        .bind::<SqlUuid, _>(origin)
        .bind::<Bool, _>(towards_awaited)
        .bind::<Array<SqlDependencyType>, _>(kinds)
        .bind::<Integer, _>(depth)
        .bind::<Integer, _>(limit_plus_one(MAX_GRAPH_EDGES));
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// The edges of a project's plan, plus one if there are more than a plan may have.
pub(super) async fn plan_edges(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Vec<Edge>> {
    let query = sql_query("SELECT * FROM task.plan_edges($1, $2)")
        .bind::<SqlUuid, _>(project_id)
        .bind::<Integer, _>(limit_plus_one(MAX_PLANNED_EDGES));
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// The open tasks of a project by number, plus one if there are more than a plan may have.
pub(super) async fn open_tasks(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Vec<GraphTask>> {
    let open = tasks::table
        .filter(tasks::project_id.eq(project_id))
        .filter(tasks::status.ne_all([TaskStatus::Done, TaskStatus::Cancelled]))
        .order(tasks::number)
        .limit(i64::from(limit_plus_one(MAX_PLANNED_TASKS)));
    Ok(open.select(GraphTask::as_select()).load(&mut conn).await?)
}

/// The readable ones among these tasks, by project and number.
pub(super) async fn readable(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<GraphTask>> {
    let ids = readable_ids(conn, ids).await?;
    let found = tasks::table.filter(tasks::id.eq_any(ids)).order((tasks::project_id, tasks::number));
    Ok(found.select(GraphTask::as_select()).load(&mut conn).await?)
}

fn limit_plus_one(most: usize) -> i32 {
    i32::try_from(most + 1).unwrap_or(i32::MAX)
}
