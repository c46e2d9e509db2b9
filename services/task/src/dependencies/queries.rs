//! SQL of dependencies. Row-level security shows a caller those of which they see the waiting task.

use std::collections::HashSet;

use crate::schema::DependencyType;
use crate::schema::task_dependencies;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use uuid::Uuid;

use super::{Dependency, Direction, NewDependency, Selector, VisibleDependency};
use crate::constraints::CONSTRAINTS;
use crate::tasks::queries::readable;

pub(super) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Dependency> {
    let found = task_dependencies::table.find(id).select(Dependency::as_select());
    let dependency = found.first(&mut conn).await.optional()?;
    dependency.ok_or_else(|| Error::not_found("task_dependency", id))
}

/// `None` if there is none.
pub(super) async fn find(mut conn: &AsyncPgConnection, selector: Selector) -> Result<Option<Dependency>> {
    let dependencies = task_dependencies::table.select(Dependency::as_select()).into_boxed();
    let found = match selector {
        Selector::Id(id) => dependencies.filter(task_dependencies::id.eq(id)),
        Selector::Pair { task_id, depends_on_task_id } => dependencies
            .filter(task_dependencies::task_id.eq(task_id))
            .filter(task_dependencies::depends_on_task_id.eq(depends_on_task_id)),
    };
    Ok(found.first(&mut conn).await.optional()?)
}

/// Those of which the caller may read the waiting task, told apart by whether they may read the other one as well.
pub(super) async fn visible(
    conn: &AsyncPgConnection,
    dependencies: Vec<Dependency>,
) -> Result<Vec<VisibleDependency>> {
    let ends: Vec<Uuid> = dependencies.iter().flat_map(|one| [one.task_id, one.depends_on_task_id]).collect();
    let readable: HashSet<Uuid> = readable(conn, &ends).await?.into_iter().collect();
    let of_readable = dependencies.into_iter().filter(|one| readable.contains(&one.task_id));
    let visible = of_readable.map(|dependency| {
        let is_hidden = !readable.contains(&dependency.depends_on_task_id);
        VisibleDependency { dependency, is_hidden }
    });
    Ok(visible.collect())
}

/// A page of a task's dependencies in one direction, oldest first, plus one if there are more.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    task_id: Uuid,
    direction: Direction,
    kinds: &[DependencyType],
    (after, size): (Option<AfterTime>, i64),
) -> Result<Vec<Dependency>> {
    let mut query = task_dependencies::table.into_boxed();
    query = match direction {
        Direction::DependsOn => query.filter(task_dependencies::task_id.eq(task_id)),
        Direction::Dependents => query.filter(task_dependencies::depends_on_task_id.eq(task_id)),
    };
    if !kinds.is_empty() {
        query = query.filter(task_dependencies::dependency_type.eq_any(kinds));
    }
    if let Some(AfterTime { at, id }) = after {
        query = query
            .filter(task_dependencies::created_at.ge(at))
            .filter(task_dependencies::created_at.gt(at).or(task_dependencies::id.gt(id)));
    }
    let ordered =
        query.order((task_dependencies::created_at.asc(), task_dependencies::id.asc())).limit(size + 1);
    Ok(ordered.select(Dependency::as_select()).load(&mut conn).await?)
}

/// Inserts a dependency and commits; requires access to the projects of both tasks.
pub(super) async fn insert(
    tx: Transaction,
    _access: &[ProjectAccess; 2],
    new: NewDependency,
) -> Result<Dependency> {
    let id = new.id;
    let insert =
        diesel::insert_into(task_dependencies::table).values(new).returning(Dependency::as_returning());
    let mut made = tx.commit_with(insert).await.map_err(explain(CONSTRAINTS))?;
    made.pop().ok_or_else(|| Error::not_found("task_dependency", id))
}

/// Locks the graph, deletes a dependency and commits. The lock is taken before the row's, in the same statement.
pub(super) async fn delete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = sql_query(
        "WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(task.dependency_graph_lock_key())) \
         DELETE FROM task.task_dependencies d USING locked WHERE d.id = $1 RETURNING d.id",
    )
    .bind::<SqlUuid, _>(id);
    let deleted: Vec<DeletedRow> = tx.commit_with(delete).await?;
    if deleted.is_empty() { Err(Error::not_found("task_dependency", id)) } else { Ok(()) }
}

#[derive(QueryableByName)]
struct DeletedRow {
    #[diesel(sql_type = SqlUuid)]
    #[allow(dead_code, reason = "only counted")]
    id: Uuid,
}
