//! SQL about projects. Row-level security has filtered already what the caller may not see.

use crate::schema::{project_members, projects};
use diesel::dsl::AsSelect;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::Page;
use uuid::Uuid;

use super::freshness::Freshness;
use super::order::{After, Direction, ProjectOrder, SortKey};
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

diesel::define_sql_function! {
    /// The revision of a project's access, held still until the transaction ends.
    #[sql_name = "project.lock_access_revision"]
    fn lock_access_revision(project: SqlUuid) -> Nullable<BigInt>;
}

/// How fresh the access to a project is. It stays so until this transaction ends, and then is one fresher if the
/// transaction has changed it. To be locked last, after projects, members and offers: so do all, and nobody deadlocks.
pub(crate) async fn hold_freshness(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Freshness> {
    let held: Option<i64> = diesel::select(lock_access_revision(project_id)).get_result(&mut conn).await?;
    Ok(Freshness { project_id, revision: held.unwrap_or_default() })
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

diesel::define_sql_function! {
    /// As names are compared.
    fn lower(text: Text) -> Text;
}

/// A page of the projects that the caller sees, with one row too many if there are more.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &ProjectFilter,
    order: ProjectOrder,
    page: &Page<After>,
) -> Result<Vec<Project>> {
    let query = ordered(filtered(filter), order, page.after.as_ref());
    Ok(query.limit(page.size + 1).load(&mut conn).await?)
}

type Listing<'a> = projects::BoxedQuery<'a, Pg, AsSelect<Project, Pg>>;

fn filtered(filter: &ProjectFilter) -> Listing<'_> {
    let mut query = projects::table.select(Project::as_select()).into_boxed();
    if !filter.statuses.is_empty() {
        query = query.filter(projects::status.eq_any(&filter.statuses));
    }
    if !filter.visibilities.is_empty() {
        query = query.filter(projects::visibility.eq_any(&filter.visibilities));
    }
    if let Some(owner_id) = filter.owner_id {
        query = query.filter(projects::owner_id.eq(owner_id));
    }
    for member_id in &filter.member_ids {
        let theirs = project_members::table.filter(project_members::user_id.eq(member_id));
        query = query.filter(projects::id.eq_any(theirs.select(project_members::project_id)));
    }
    if let Some(text) = &filter.text {
        let pattern = containing(text);
        let described = projects::description.ilike(pattern.clone());
        query = query.filter(projects::name.ilike(pattern).or(described));
    }
    query
}

/// The pattern that finds this very text anywhere.
fn containing(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// Behind a row is said by the key alone and then by key or id, so that the index on the key is used.
macro_rules! ordered_by {
    ($query:expr, $key:expr, $direction:expr, $after:expr) => {
        match ($direction, $after) {
            (Direction::Ascending, None) => $query.order(($key.asc(), projects::id.asc())),
            (Direction::Descending, None) => $query.order(($key.desc(), projects::id.desc())),
            (Direction::Ascending, Some((value, id))) => $query
                .filter($key.ge(value.clone()).and($key.gt(value).or(projects::id.gt(id))))
                .order(($key.asc(), projects::id.asc())),
            (Direction::Descending, Some((value, id))) => $query
                .filter($key.le(value.clone()).and($key.lt(value).or(projects::id.lt(id))))
                .order(($key.desc(), projects::id.desc())),
        }
    };
}

fn ordered<'a>(query: Listing<'a>, order: ProjectOrder, after: Option<&After>) -> Listing<'a> {
    let ProjectOrder { key, direction } = order;
    match key {
        SortKey::Created => {
            ordered_by!(query, projects::created_at, direction, after.map(|row| (row.created_at, row.id)))
        }
        SortKey::Updated => {
            ordered_by!(query, projects::updated_at, direction, after.map(|row| (row.updated_at, row.id)))
        }
        SortKey::Name => {
            let after = after.map(|row| (lower(row.name.clone()), row.id));
            ordered_by!(query, lower(projects::name), direction, after)
        }
    }
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

/// Deletes a project that is locked with its members, with everything that hangs on it, and commits.
pub(crate) async fn delete(tx: Transaction, access: &ProjectAccess) -> Result<()> {
    let statement = diesel::delete(projects::table.find(access.project_id)).returning(projects::id);
    let gone: Vec<Uuid> = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    if gone.is_empty() { Err(not_found(access.project_id)) } else { Ok(()) }
}

/// Locks all members of a project that the caller is a member of, as deleting it needs: whoever changes one holds it
/// while the foreign key looks at the project, and the two would wait for each other.
pub(crate) async fn lock_members(mut conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let members = project_members::table
        .filter(project_members::project_id.eq(id))
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
