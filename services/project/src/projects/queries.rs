//! SQL about projects. Row-level security has filtered already what the caller may not see.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::schema::project::{project_members, projects};
use uuid::Uuid;

use super::{NewProject, Project, ProjectChange, ProjectFilter};
use crate::CONSTRAINTS;

/// What this user may do in a project that they see.
pub(crate) async fn access(
    conn: &AsyncPgConnection,
    project_id: Uuid,
    user_id: Uuid,
) -> Result<ProjectAccess> {
    let access = AccessTables::Owned.access(conn, project_id, user_id).await?;
    access.ok_or_else(|| not_found(project_id))
}

/// A project that the caller sees.
pub(crate) async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Project> {
    let found = projects::table.find(id).select(Project::as_select()).get_result(&mut conn).await;
    found.optional()?.ok_or_else(|| not_found(id))
}

/// The project, locked against other changes until the transaction ends; `None` for one that the caller sees
/// without being a member.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Project>> {
    let query = projects::table.find(id).select(Project::as_select()).for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// A page of the projects that the caller sees, newest first, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &ProjectFilter,
    page: &Page<AfterTime>,
) -> Result<Vec<Project>> {
    let mut query = projects::table.select(Project::as_select()).into_boxed();
    if !filter.statuses.is_empty() {
        query = query.filter(projects::status.eq_any(&filter.statuses));
    }
    if let Some(owner_id) = filter.owner_id {
        query = query.filter(projects::owner_id.eq(owner_id));
    }
    if let Some(member_id) = filter.member_id {
        let theirs = project_members::table.filter(project_members::user_id.eq(member_id));
        query = query.filter(projects::id.eq_any(theirs.select(project_members::project_id)));
    }
    if let Some(after) = page.after {
        // Older, or as old with a smaller id; said so that the index on the time is used.
        let before = projects::created_at.lt(after.at).or(projects::id.lt(after.id));
        query = query.filter(projects::created_at.le(after.at).and(before));
    }
    let query = query.order((projects::created_at.desc(), projects::id.desc())).limit(page.size + 1);
    Ok(query.load(&mut conn).await?)
}

/// Makes a project, and its owner's membership with it, and commits.
pub(crate) async fn insert(tx: Transaction, project: &NewProject) -> Result<Project> {
    let statement = diesel::insert_into(projects::table).values(project).returning(Project::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(project.id))
}

/// Changes a locked project and commits.
pub(crate) async fn update(
    tx: Transaction,
    access: &ProjectAccess,
    change: &ProjectChange,
) -> Result<Project> {
    let statement = diesel::update(projects::table.find(access.project_id))
        .set(change)
        .returning(Project::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(access.project_id))
}

/// Deletes a locked project with everything that hangs on it, and commits.
///
/// The members are locked first: whoever changes one holds it while the foreign key looks at the project, and
/// the two would wait for each other.
pub(crate) async fn delete(tx: Transaction, access: &ProjectAccess) -> Result<()> {
    lock_members(&tx, access).await?;
    let statement = diesel::delete(projects::table.find(access.project_id)).returning(projects::id);
    let gone: Vec<Uuid> = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    if gone.is_empty() { Err(not_found(access.project_id)) } else { Ok(()) }
}

async fn lock_members(mut conn: &AsyncPgConnection, access: &ProjectAccess) -> Result<()> {
    let members = project_members::table
        .filter(project_members::project_id.eq(access.project_id))
        .order(project_members::user_id)
        .select(project_members::id)
        .for_no_key_update();
    let _locked: Vec<Uuid> = members.load(&mut conn).await?;
    Ok(())
}

/// The refusal of a project that is not there for the caller.
pub(crate) fn not_found(id: Uuid) -> Error {
    Error::not_found("project", id)
}
