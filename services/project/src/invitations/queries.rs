//! SQL of invitations. Row-level security shows them to members and to the inviter; handlers require `MEMBER_MANAGE` in
//! addition.

use crate::schema::{OfferStatus, SqlOfferStatus};
use crate::schema::{invitations, project_members};
use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, count_star};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::schema::ProjectRole;
use uuid::Uuid;

use super::wire::InvitationId;
use super::{INVITER_WINDOW_HOURS, Invitation, InvitationCounts, NewInvitation, RECIPIENT_WINDOW_HOURS};
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

/// Serializes the invitations of one user and those to one address in all projects, so that they can be counted.
pub(crate) async fn lock_inviter_and_recipient(
    mut conn: &AsyncPgConnection,
    inviter_id: Uuid,
    email: &str,
) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('invitations by ' || $1::text, 0)), \
                pg_advisory_xact_lock(hashtextextended('invitations to ' || $2, 0))";
    PreparedQuery(sql_query(lock).bind::<SqlUuid, _>(inviter_id).bind::<Text, _>(email))
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// Counts invitations against the limits. The project, the inviter and the recipient are locked.
pub(crate) async fn count(
    mut conn: &AsyncPgConnection,
    invitation: &NewInvitation,
    now: DateTime<Utc>,
) -> Result<InvitationCounts> {
    let open = invitations::table
        .filter(invitations::project_id.eq(invitation.project_id))
        .filter(invitations::status.eq(OfferStatus::Pending))
        .filter(invitations::expires_at.gt(now))
        .select(count_star());
    let since = now - chrono::Duration::hours(INVITER_WINDOW_HOURS);
    let lately = invitations::table
        .filter(invitations::inviter_id.eq(invitation.inviter_id))
        .filter(invitations::created_at.gt(since))
        .select(count_star());
    let mut again = conn;
    let to_recipient = async {
        match invitation.mail_id {
            Some(_) => count_emails(conn, &invitation.email, now).await,
            None => Ok(0),
        }
    };
    let (open_in_project, by_inviter, to_recipient) = futures::try_join!(
        async { Ok(open.get_result(&mut conn).await?) },
        async { Ok(lately.get_result(&mut again).await?) },
        to_recipient
    )?;
    Ok(InvitationCounts { open_in_project, by_inviter, to_recipient })
}

diesel::define_sql_function! {
    #[sql_name = "project.count_invitation_emails"]
    fn count_invitation_emails(address: Text, since: Timestamptz) -> BigInt;
}

/// How many invitation emails an address has received lately, from all projects.
pub(crate) async fn count_emails(
    mut conn: &AsyncPgConnection,
    email: &str,
    now: DateTime<Utc>,
) -> Result<i64> {
    let since = now - chrono::Duration::hours(RECIPIENT_WINDOW_HOURS);
    Ok(diesel::select(count_invitation_emails(email, since)).get_result(&mut conn).await?)
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

/// A pending invitation, with role and exceptions of its inviter if they are still a member.
pub(crate) type PendingInvitation = (Invitation, Option<(ProjectRole, Value)>);

/// The pending invitations of a project, read under the worker role.
pub(crate) async fn list_pending(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<PendingInvitation>> {
    let of_inviter = project_members::project_id
        .eq(invitations::project_id)
        .and(project_members::user_id.eq(invitations::inviter_id));
    let query = invitations::table
        .left_join(project_members::table.on(of_inviter))
        .filter(invitations::project_id.eq(project_id))
        .filter(invitations::status.eq(OfferStatus::Pending))
        .filter(invitations::expires_at.gt(now))
        .select((Invitation::as_select(), (project_members::role, project_members::permissions).nullable()));
    Ok(query.load(&mut conn).await?)
}

/// Withdraws those of these invitations that are still pending, under the worker role.
pub(crate) async fn withdraw_all(
    mut conn: &AsyncPgConnection,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<()> {
    let pending = invitations::table
        .filter(invitations::id.eq_any(ids))
        .filter(invitations::status.eq(OfferStatus::Pending));
    let change = (invitations::status.eq(OfferStatus::Withdrawn), invitations::closed_at.eq(now));
    diesel::update(pending).set(change).execute(&mut conn).await?;
    Ok(())
}

/// Overwrites the addresses of an erased account, under the worker role.
pub(crate) async fn erase_invitee(mut conn: &AsyncPgConnection, user_id: Uuid, email: &str) -> Result<()> {
    let erase = sql_query("SELECT project.erase_invitee($1, $2)");
    erase.bind::<SqlUuid, _>(user_id).bind::<Text, _>(email).execute(&mut conn).await?;
    Ok(())
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

/// The inviter and the generation of an invitation, read under the worker role.
pub(crate) async fn inviter_and_generation(
    mut conn: &AsyncPgConnection,
    id: Uuid,
) -> Result<Option<(Uuid, i32)>> {
    let query = invitations::table.find(id).select((invitations::inviter_id, invitations::generation));
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
            invitations::answered_by.eq(user_id),
        ))
        .returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

/// Declines a locked invitation and commits. An anonymous caller is not recorded.
pub(crate) async fn decline(
    tx: Transaction,
    invitation: &Invitation,
    user_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Invitation> {
    let statement = diesel::update(invitations::table.find(invitation.id))
        .set((
            invitations::status.eq(OfferStatus::Declined),
            invitations::closed_at.eq(now),
            invitations::answered_by.eq(user_id),
        ))
        .returning(Invitation::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(invitation.id))
}

pub(crate) fn not_found(id: Uuid) -> Error {
    Error::not_found("invitation", id)
}
