//! The graph in the database. Row-level security tells which tasks the caller sees; edges are found also where it hides
//! an end.

use crate::schema::tasks;
use crate::schema::{DependencyType, SqlDependencyType, TaskStatus};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Bool, Integer, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

use super::{Edge, MAX_GRAPH_EDGES, MAX_PLANNED_EDGES, MAX_PLANNED_TASKS, TaskInGraph};

/// The edges around a task in one direction, and one more than a graph may have if there are more.
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
        .bind::<Integer, _>(one_more(MAX_GRAPH_EDGES));
    Ok(Prepared(query).load(&mut conn).await?)
}

/// The edges that a project's plan stands on, and one more than a plan may have if there are more.
pub(super) async fn plan_edges(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Vec<Edge>> {
    let query = sql_query("SELECT * FROM task.plan_edges($1, $2)")
        .bind::<SqlUuid, _>(project_id)
        .bind::<Integer, _>(one_more(MAX_PLANNED_EDGES));
    Ok(Prepared(query).load(&mut conn).await?)
}

/// The open tasks of a project by number, and one more than a plan may have if there are more.
pub(super) async fn open_tasks(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Vec<TaskInGraph>> {
    let open = tasks::table
        .filter(tasks::project_id.eq(project_id))
        .filter(tasks::status.ne_all([TaskStatus::Done, TaskStatus::Cancelled]))
        .order(tasks::number)
        .limit(i64::from(one_more(MAX_PLANNED_TASKS)));
    Ok(open.select(TaskInGraph::as_select()).load(&mut conn).await?)
}

/// Those of these tasks that the caller sees, by project and number.
pub(super) async fn visible(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<TaskInGraph>> {
    let found = tasks::table.filter(tasks::id.eq_any(ids)).order((tasks::project_id, tasks::number));
    Ok(found.select(TaskInGraph::as_select()).load(&mut conn).await?)
}

fn one_more(most: usize) -> i32 {
    i32::try_from(most + 1).unwrap_or(i32::MAX)
}
