//! SQL about invitations. Row-level security shows them to the members of their project and to the inviter; that only
//! those who manage members get to see them is for handlers to ask.

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
use super::{INVITER_WINDOW_HOURS, Invitation, Load, NewInvitation};
use crate::CONSTRAINTS;
use crate::projects::freshness::Freshness;
use crate::projects::queries::lock_access_revision;

/// An invitation to a project that the caller is a member of.
pub(crate) async fn find(mut conn: &AsyncPgConnection, id: InvitationId) -> Result<Option<Invitation>> {
    let query = invitations::table
        .find(id.id)
        .filter(invitations::project_id.eq(id.project_id))
        .select(Invitation::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// As [`find`], locked until the transaction ends.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: InvitationId) -> Result<Option<Invitation>> {
    let query = invitations::table
        .find(id.id)
        .filter(invitations::project_id.eq(id.project_id))
        .select(Invitation::as_select())
        .for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// A page of the invitations of a project, newest first, with one row too many if there are more.
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

/// Makes the invitations of one user come one after the other, in whatever projects, so that they can be counted.
pub(crate) async fn queue_up(mut conn: &AsyncPgConnection, inviter_id: Uuid) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('invitations by ' || $1::text, 0))";
    Prepared(sql_query(lock).bind::<SqlUuid, _>(inviter_id)).execute(&mut conn).await?;
    Ok(())
}

/// What counts against the limits. The project and the inviter are locked.
pub(crate) async fn load(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    inviter_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Load> {
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
    Ok(Load { open_in_project, by_inviter })
}

/// Writes down that an address's invitation has expired, if it has: it makes place for the next.
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

/// Makes an invitation and commits; its mail is queued with it. Asks for the inviter's access as proof.
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

/// Makes the next token of a locked invitation and commits; its mail is queued with it.
pub(crate) async fn send_again(
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

/// Withdraws a locked invitation and commits.
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

/// Holds the access to an invitation's project still, whoever asks, under the worker role: from here on its inviter
/// can do neither more nor less.
pub(crate) async fn hold_freshness(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Freshness>> {
    let query = invitations::table
        .find(id)
        .select((invitations::project_id, lock_access_revision(invitations::project_id)));
    let held: Option<(Uuid, Option<i64>)> = query.get_result(&mut conn).await.optional()?;
    Ok(held.map(|(project_id, revision)| Freshness { project_id, revision: revision.unwrap_or_default() }))
}

/// An invitation, whoever asks, locked, under the worker role.
pub(crate) async fn lock_by_key(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Invitation>> {
    let query = invitations::table.find(id).select(Invitation::as_select()).for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// Role and exceptions of an invitation's inviter, while they are a member.
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

/// Accepts a locked invitation for a user and commits; the database lets them in with it.
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

/// The refusal of an invitation that is not there for the caller.
pub(crate) fn not_found(id: Uuid) -> Error {
    Error::not_found("invitation", id)
}
