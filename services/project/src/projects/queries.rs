//! SQL of projects. Row-level security hides rows that the caller may not read.

use crate::schema::{project_members, projects};
use diesel::dsl::AsSelect;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::database::{
    ColumnsOf, Database, GatheredReads, PageByBytes, Transaction, end_page_by_bytes, explain,
};
use shared::error::{Error, Result};
use shared::page::Page;
use uuid::Uuid;

use super::access_revision::LockedRevision;
use super::order::{After, Direction, ProjectOrder, SortKey};
use super::{NewProject, Project, ProjectChange, ProjectFilter};
use crate::constraints::CONSTRAINTS;

/// The user's access to a project. Fails with `NOT_FOUND` if the caller cannot see it.
pub(crate) async fn access(
    conn: &AsyncPgConnection,
    project_id: Uuid,
    user_id: Uuid,
) -> Result<ProjectAccess> {
    let access = AccessTables::Owned.access(conn, project_id, user_id).await?;
    access.ok_or_else(|| not_found(project_id))
}

diesel::define_sql_function! {
    /// Locks the revision of a project's access until the transaction ends.
    #[sql_name = "project.lock_access_revision"]
    fn lock_access_revision(project: SqlUuid) -> Nullable<BigInt>;
}

/// Locks and returns the revision of a project's access. Every transaction locks it last, after projects, members and
/// transfers, so that two transactions do not deadlock.
pub(crate) async fn lock_revision(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<LockedRevision> {
    let held: Option<i64> = diesel::select(lock_access_revision(project_id)).get_result(&mut conn).await?;
    Ok(LockedRevision { project_id, revision: held.unwrap_or_default() })
}

/// Projects of one call. The largest have some 100 KiB.
const MAX_READS_PER_CALL: usize = 64;

/// Reads of single projects.
pub(crate) fn gathered_reads(database: &Database) -> GatheredReads<Project> {
    GatheredReads::new::<ColumnsOf<Project>>(database, "project.gather_projects", MAX_READS_PER_CALL)
}

pub(crate) async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Project> {
    let found = projects::table.find(id).select(Project::as_select()).get_result(&mut conn).await;
    found.optional()?.ok_or_else(|| not_found(id))
}

/// Locks the project until the transaction ends. `None` if the caller can see it but is not a member.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Project>> {
    let query = projects::table.find(id).select(Project::as_select()).for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

diesel::define_sql_function! {
    fn lower(text: Text) -> Text;
}

/// The size of a project in a message.
const PROJECT_BYTES: &str =
    "400 + octet_length(name) + coalesce(octet_length(description), 0) + 4 * octet_length(settings::text)";

/// A page of the visible projects, plus one row if there is a next page, and the size of the page: it ends early by
/// bytes.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &ProjectFilter,
    order: ProjectOrder,
    page: &Page<After>,
) -> Result<(Vec<Project>, i64)> {
    let query = ordered(filtered(filter), order, page.after.as_ref());
    let list = PageByBytes { list: query.limit(page.size + 1), row_bytes: PROJECT_BYTES };
    Ok(end_page_by_bytes(list.load(&mut conn).await?, page.size))
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
    if !filter.owner_ids.is_empty() {
        query = query.filter(projects::owner_id.eq_any(&filter.owner_ids));
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

/// The `LIKE` pattern of a substring search.
fn containing(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// The key is compared alone first, then with the id, so that PostgreSQL uses the index on the key.
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

/// Inserts a project and commits. A trigger adds the owner as a member.
pub(crate) async fn insert(tx: Transaction, project: &NewProject) -> Result<Project> {
    let statement = diesel::insert_into(projects::table).values(project).returning(Project::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(project.id))
}

/// Updates a locked project and commits.
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

/// Deletes a project, locked together with its members, and commits.
pub(crate) async fn delete(tx: Transaction, access: &ProjectAccess) -> Result<()> {
    let statement = diesel::delete(projects::table.find(access.project_id)).returning(projects::id);
    let gone: Vec<Uuid> = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    if gone.is_empty() { Err(not_found(access.project_id)) } else { Ok(()) }
}

/// Locks all members of a project before its deletion. A concurrent change of a member holds the member's row while its
/// foreign key checks the project, so deleting without these locks would deadlock.
pub(crate) async fn lock_members(mut conn: &AsyncPgConnection, id: Uuid) -> Result<()> {
    let members = project_members::table
        .filter(project_members::project_id.eq(id))
        .order(project_members::user_id)
        .select(project_members::id)
        .for_no_key_update();
    let _locked: Vec<Uuid> = members.load(&mut conn).await?;
    Ok(())
}

pub(crate) fn not_found(id: Uuid) -> Error {
    Error::not_found("project", id)
}
