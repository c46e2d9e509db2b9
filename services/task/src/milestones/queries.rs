//! SQL of milestones. Row-level security shows a caller those of projects that they may read.

use crate::schema::{TaskStatus, milestones, tasks};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::try_join;
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::AfterTime;
use uuid::Uuid;

use super::{MAX_PLANNED_MILESTONES, Milestone, MilestoneChange, NewMilestone};
use crate::constraints::CONSTRAINTS;

pub(super) async fn get(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Milestone> {
    let found = milestones::table.find(id).select(Milestone::as_select());
    let milestone = found.first(&mut conn).await.optional()?;
    milestone.ok_or_else(|| Error::not_found("milestone", id))
}

/// Locks a milestone until the transaction ends. `None` for one that the caller may not change.
pub(super) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Milestone>> {
    let locked = milestones::table.find(id).select(Milestone::as_select()).for_no_key_update();
    Ok(locked.first(&mut conn).await.optional()?)
}

/// Locks the tasks of a milestone, in the order of their ids, and then the milestone.
pub(super) async fn lock_with_tasks(conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Milestone>> {
    let ((), milestone) = try_join!(lock_tasks_of(conn, id), lock(conn, id))?;
    Ok(milestone)
}

async fn lock_tasks_of(mut conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let of_milestone = tasks::table.filter(tasks::milestone_id.eq(id)).order(tasks::id);
    let _locked: Vec<Uuid> = of_milestone.select(tasks::id).for_no_key_update().load(&mut conn).await?;
    Ok(())
}

/// A page of a project's milestones, oldest first, plus one if there are more.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    after: Option<AfterTime>,
    size: i64,
) -> Result<Vec<Milestone>> {
    let mut query = milestones::table.filter(milestones::project_id.eq(project_id)).into_boxed();
    if let Some(AfterTime { at, id }) = after {
        query = query
            .filter(milestones::created_at.ge(at))
            .filter(milestones::created_at.gt(at).or(milestones::id.gt(id)));
    }
    let ordered = query.order((milestones::created_at, milestones::id)).limit(size + 1);
    Ok(ordered.select(Milestone::as_select()).load(&mut conn).await?)
}

/// The milestones of a project that have open tasks, the earliest due first.
pub(crate) async fn with_open_tasks(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
) -> Result<Vec<Milestone>> {
    let of_open_tasks = tasks::table
        .filter(tasks::project_id.eq(project_id))
        .filter(tasks::status.ne_all([TaskStatus::Done, TaskStatus::Cancelled]))
        .select(tasks::milestone_id);
    let found = milestones::table
        .filter(milestones::project_id.eq(project_id))
        .filter(milestones::id.nullable().eq_any(of_open_tasks))
        .order((milestones::due_date.asc().nulls_last(), milestones::id))
        .limit(MAX_PLANNED_MILESTONES);
    Ok(found.select(Milestone::as_select()).load(&mut conn).await?)
}

pub(super) async fn insert(tx: Transaction, _access: &ProjectAccess, new: NewMilestone) -> Result<Milestone> {
    let id = new.id;
    let insert = diesel::insert_into(milestones::table).values(new).returning(Milestone::as_returning());
    only(tx.commit_with(insert).await, id)
}

pub(super) async fn update(
    tx: Transaction,
    _access: &ProjectAccess,
    id: Uuid,
    change: MilestoneChange,
) -> Result<Milestone> {
    let update = diesel::update(milestones::table.find(id)).set(change).returning(Milestone::as_returning());
    only(tx.commit_with(update).await, id)
}

/// Deletes a milestone whose tasks are locked.
pub(super) async fn delete(tx: Transaction, _access: &ProjectAccess, id: Uuid) -> Result<()> {
    let delete = diesel::delete(milestones::table.find(id)).returning(milestones::id);
    let deleted: Vec<Uuid> = tx.commit_with(delete).await?;
    if deleted.is_empty() { Err(Error::not_found("milestone", id)) } else { Ok(()) }
}

fn only(rows: QueryResult<Vec<Milestone>>, id: Uuid) -> Result<Milestone> {
    rows.map_err(explain(CONSTRAINTS))?.pop().ok_or_else(|| Error::not_found("milestone", id))
}
