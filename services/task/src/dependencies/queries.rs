//! SQL of dependencies. Row-level security shows a caller those of which they see both tasks.

use crate::schema::DependencyType;
use crate::schema::task_dependencies;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{Dependency, Direction, NewDependency};
use crate::constraints::CONSTRAINTS;

pub(super) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Dependency> {
    let found = task_dependencies::table.find(id).select(Dependency::as_select());
    let dependency = found.first(&mut conn).await.optional()?;
    dependency.ok_or_else(|| Error::not_found("task_dependency", id))
}

/// A page of a task's dependencies in one direction, oldest first, plus one if there are more.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    task_id: Uuid,
    direction: Direction,
    kinds: &[DependencyType],
    page: &Page<AfterTime>,
) -> Result<Vec<Dependency>> {
    let mut query = task_dependencies::table.into_boxed();
    query = match direction {
        Direction::DependsOn => query.filter(task_dependencies::task_id.eq(task_id)),
        Direction::Dependents => query.filter(task_dependencies::depends_on_task_id.eq(task_id)),
    };
    if !kinds.is_empty() {
        query = query.filter(task_dependencies::dependency_type.eq_any(kinds));
    }
    if let Some(AfterTime { at, id }) = page.after {
        query = query
            .filter(task_dependencies::created_at.ge(at))
            .filter(task_dependencies::created_at.gt(at).or(task_dependencies::id.gt(id)));
    }
    let ordered =
        query.order((task_dependencies::created_at.asc(), task_dependencies::id.asc())).limit(page.size + 1);
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

pub(super) async fn delete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = diesel::delete(task_dependencies::table.find(id)).returning(task_dependencies::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await?;
    if deleted.is_empty() { Err(Error::not_found("task_dependency", id)) } else { Ok(()) }
}
