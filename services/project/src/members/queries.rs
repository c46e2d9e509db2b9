//! SQL of members. Row-level security shows them to members only.

use crate::schema::project_members;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::schema::ProjectRole;
use uuid::Uuid;

use super::{Member, MemberChange, NewMember};
use crate::constraints::CONSTRAINTS;

pub(crate) async fn find(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    user_id: Uuid,
) -> Result<Option<Member>> {
    let query = project_members::table
        .filter(project_members::project_id.eq(project_id))
        .filter(project_members::user_id.eq(user_id))
        .select(Member::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

pub(crate) async fn find_by_id(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Member>> {
    let query = project_members::table.find(id).select(Member::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// Locks the memberships of the caller and of the member to change, ordered by id, and returns the latter. So two
/// members who change each other run one after the other and do not deadlock.
pub(crate) async fn lock(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    decider_id: Uuid,
    user_id: Uuid,
) -> Result<Option<Member>> {
    let query = project_members::table
        .filter(project_members::project_id.eq(project_id))
        .filter(project_members::user_id.eq_any([decider_id, user_id]))
        .order(project_members::user_id)
        .select(Member::as_select())
        .for_no_key_update();
    let both: Vec<Member> = query.load(&mut conn).await?;
    Ok(both.into_iter().find(|member| member.user_id == user_id))
}

/// Locks the memberships of the owner and of another member, ordered by id.
pub(crate) async fn lock_owner_and(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    user_id: Uuid,
) -> Result<()> {
    let query = project_members::table
        .filter(project_members::project_id.eq(project_id))
        .filter(project_members::user_id.eq(user_id).or(project_members::role.eq(ProjectRole::Owner)))
        .order(project_members::user_id)
        .select(project_members::id)
        .for_no_key_update();
    let _locked: Vec<Uuid> = query.load(&mut conn).await?;
    Ok(())
}

/// A page of members in the order of joining, plus one row if there is a next page.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    roles: &[ProjectRole],
    page: &Page<AfterTime>,
) -> Result<Vec<Member>> {
    let mut query = project_members::table
        .filter(project_members::project_id.eq(project_id))
        .select(Member::as_select())
        .into_boxed();
    if !roles.is_empty() {
        query = query.filter(project_members::role.eq_any(roles));
    }
    if let Some(after) = page.after {
        // Joined later, or at the same time with a greater id.
        let behind = project_members::joined_at.gt(after.at).or(project_members::id.gt(after.id));
        query = query.filter(project_members::joined_at.ge(after.at).and(behind));
    }
    let query = query.order((project_members::joined_at, project_members::id)).limit(page.size + 1);
    Ok(query.load(&mut conn).await?)
}

/// Inserts a member and commits.
pub(crate) async fn insert(tx: Transaction, _proof: &ProjectAccess, member: &NewMember) -> Result<Member> {
    let statement =
        diesel::insert_into(project_members::table).values(member).returning(Member::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(member.user_id))
}

/// Updates a locked membership and commits.
pub(crate) async fn update(
    tx: Transaction,
    _proof: &ProjectAccess,
    member: &Member,
    change: &MemberChange,
) -> Result<Member> {
    let statement =
        diesel::update(project_members::table.find(member.id)).set(change).returning(Member::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(member.user_id))
}

/// Deletes a locked membership and commits.
pub(crate) async fn delete(tx: Transaction, _proof: &ProjectAccess, member: &Member) -> Result<()> {
    let statement = diesel::delete(project_members::table.find(member.id)).returning(project_members::id);
    let gone: Vec<Uuid> = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    if gone.is_empty() { Err(not_found(member.user_id)) } else { Ok(()) }
}

pub(crate) fn not_found(user_id: Uuid) -> Error {
    Error::not_found("member", user_id)
}
