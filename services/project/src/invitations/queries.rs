//! SQL of invitations. Row-level security shows them to members and to the inviter; handlers require `MEMBER_MANAGE` in
//! addition.

use crate::schema::{OfferStatus, SqlOfferStatus};
use crate::schema::{invitations, project_members};
use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, count_star};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::access::ProjectAccess;
use shared::database::{Prepared, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::schema::ProjectRole;
use uuid::Uuid;

use super::wire::InvitationId;
use super::{INVITER_WINDOW_HOURS, Invitation, InvitationCounts, NewInvitation};
use crate::constraints::CONSTRAINTS;
use crate::projects::access_revision::LockedRevision;
use crate::projects::queries::lock_access_revision;

pub(crate) async fn find(mut conn: &AsyncPgConnection, id: InvitationId) -> Result<Option<Invitation>> {
    let query = invitations::table
        .find(id.id)
        .filter(invitations::project_id.eq(id.project_id))
        .select(Invitation::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: InvitationId) -> Result<Option<Invitation>> {
    let query = invitations::table
        .find(id.id)
        .filter(invitations::project_id.eq(id.project_id))
        .select(Invitation::as_select())
        .for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// A page of a project's invitations, newest first, plus one row if there is a next page.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    statuses: &[OfferStatus],
    page: &Page<AfterTime>,
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>> {
    let mut query = invitations::table
        .filter(invitations::project_id.eq(project_id))
        .select(Invitation::as_select())
        .into_boxed();
    if !statuses.is_empty() {
        let has_expired = invitations::status.eq(OfferStatus::Pending).and(invitations::expires_at.le(now));
        let expired = OfferStatus::Expired.into_sql::<SqlOfferStatus>();
        query = query.filter(case_when(has_expired, expired).otherwise(invitations::status).eq_any(statuses));
    }
    if let Some(after) = page.after {
        let before = invitations::created_at.lt(after.at).or(invitations::id.lt(after.id));
        query = query.filter(invitations::created_at.le(after.at).and(before));
    }
    let query = query.order((invitations::created_at.desc(), invitations::id.desc())).limit(page.size + 1);
    Ok(query.load(&mut conn).await?)
}

/// Serializes the invitations of one user in all projects, so that they can be counted.
pub(crate) async fn lock_inviter(mut conn: &AsyncPgConnection, inviter_id: Uuid) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('invitations by ' || $1::text, 0))";
    Prepared(sql_query(lock).bind::<SqlUuid, _>(inviter_id)).execute(&mut conn).await?;
    Ok(())
}

/// Counts invitations against the limits. The project and the inviter are locked.
pub(crate) async fn count(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    inviter_id: Uuid,
    now: DateTime<Utc>,
) -> Result<InvitationCounts> {
    let open = invitations::table
        .filter(invitations::project_id.eq(project_id))
        .filter(invitations::status.eq(OfferStatus::Pending))
        .filter(invitations::expires_at.gt(now))
        .select(count_star());
    let since = now - chrono::Duration::hours(INVITER_WINDOW_HOURS);
    let lately = invitations::table
        .filter(invitations::inviter_id.eq(inviter_id))
        .filter(invitations::created_at.gt(since))
        .select(count_star());
    let mut again = conn;
    let (open_in_project, by_inviter) =
        futures::try_join!(open.get_result(&mut conn), lately.get_result(&mut again))?;
    Ok(InvitationCounts { open_in_project, by_inviter })
}

/// Marks an expired invitation of this address, so that the unique index allows the next one.
pub(crate) async fn mark_expired(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let outdated = invitations::table
        .filter(invitations::project_id.eq(project_id))
        .filter(invitations::email.eq(email))
        .filter(invitations::status.eq(OfferStatus::Pending))
        .filter(invitations::expires_at.le(now));
    diesel::update(outdated).set(invitations::status.eq(OfferStatus::Expired)).execute(&mut conn).await?;
    Ok(())
}

/// Inserts an invitation and commits. A trigger queues its email.
pub(crate) async fn insert(
    tx: Transaction,
    _proof: &ProjectAccess,
    invitation: &NewInvitation,
) -> Result<Invitation> {
    let statement =
        diesel::insert_into(invitations::table).values(invitation).returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

/// Makes the next token of a locked invitation and commits. A trigger queues its email.
pub(crate) async fn resend(
    tx: Transaction,
    _proof: &ProjectAccess,
    invitation: &Invitation,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Invitation> {
    let statement = diesel::update(invitations::table.find(invitation.id))
        .set((
            invitations::status.eq(OfferStatus::Pending),
            invitations::mail_id.eq(Uuid::now_v7()),
            invitations::generation.eq(invitation.generation + 1),
            invitations::sent_at.eq(now),
            invitations::expires_at.eq(expires_at),
        ))
        .returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

pub(crate) async fn withdraw(
    tx: Transaction,
    _proof: &ProjectAccess,
    invitation: &Invitation,
    now: DateTime<Utc>,
) -> Result<Invitation> {
    let statement = diesel::update(invitations::table.find(invitation.id))
        .set((invitations::status.eq(OfferStatus::Withdrawn), invitations::closed_at.eq(now)))
        .returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

/// Locks the access revision of an invitation's project under the worker role, so that the inviter's permissions stay
/// as they are.
pub(crate) async fn lock_revision(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<LockedRevision>> {
    let query = invitations::table
        .find(id)
        .select((invitations::project_id, lock_access_revision(invitations::project_id)));
    let held: Option<(Uuid, Option<i64>)> = query.get_result(&mut conn).await.optional()?;
    Ok(held
        .map(|(project_id, revision)| LockedRevision { project_id, revision: revision.unwrap_or_default() }))
}

/// Locks an invitation under the worker role.
pub(crate) async fn lock_by_id(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Invitation>> {
    let query = invitations::table.find(id).select(Invitation::as_select()).for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// Role and exceptions of the inviter; `None` if they are no longer a member.
pub(crate) async fn inviter(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<(ProjectRole, Value)>> {
    let query = invitations::table
        .inner_join(
            project_members::table.on(project_members::project_id
                .eq(invitations::project_id)
                .and(project_members::user_id.eq(invitations::inviter_id))),
        )
        .filter(invitations::id.eq(id))
        .select((project_members::role, project_members::permissions));
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// Accepts a locked invitation and commits. A trigger adds the member.
pub(crate) async fn accept(
    tx: Transaction,
    invitation: &Invitation,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Invitation> {
    let statement = diesel::update(invitations::table.find(invitation.id))
        .set((
            invitations::status.eq(OfferStatus::Accepted),
            invitations::closed_at.eq(now),
            invitations::accepted_by.eq(user_id),
        ))
        .returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

pub(crate) fn not_found(id: Uuid) -> Error {
    Error::not_found("invitation", id)
}
