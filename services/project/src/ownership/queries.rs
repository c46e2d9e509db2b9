//! SQL of ownership transfers. Row-level security shows them to members only.

use crate::schema::{self, ownership_transfers as transfers};
use crate::schema::{OfferStatus, SqlOfferStatus};
use chrono::{DateTime, Utc};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::wire::TransferId;
use super::{Answer, NewTransfer, Transfer};
use crate::constraints::CONSTRAINTS;
use crate::projects::Project;
use crate::projects::queries as projects;

pub(crate) async fn find(mut conn: &AsyncPgConnection, id: TransferId) -> Result<Transfer> {
    let query = transfers::table
        .find(id.id)
        .filter(transfers::project_id.eq(id.project_id))
        .select(Transfer::as_select());
    query.get_result(&mut conn).await.optional()?.ok_or_else(|| not_found(id.id))
}

/// Locks a transfer from or to the caller. `None` for those of others.
pub(crate) async fn lock(mut conn: &AsyncPgConnection, id: TransferId) -> Result<Option<Transfer>> {
    let query = transfers::table
        .find(id.id)
        .filter(transfers::project_id.eq(id.project_id))
        .select(Transfer::as_select())
        .for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

pub(crate) async fn pending(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<Option<Transfer>> {
    let query = transfers::table
        .filter(transfers::project_id.eq(project_id))
        .filter(transfers::status.eq(OfferStatus::Pending))
        .select(Transfer::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// Marks an expired transfer of the project, so that the unique index allows the next one.
pub(crate) async fn mark_expired(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    now: DateTime<Utc>,
) -> Result<()> {
    let outdated = transfers::table
        .filter(transfers::project_id.eq(project_id))
        .filter(transfers::status.eq(OfferStatus::Pending))
        .filter(transfers::expires_at.le(now));
    diesel::update(outdated).set(transfers::status.eq(OfferStatus::Expired)).execute(&mut conn).await?;
    Ok(())
}

/// A page of transfers, newest first, plus one if there is a next page: those of a project, or those from and to the
/// user.
pub(crate) async fn list(
    mut conn: &AsyncPgConnection,
    project_id: Option<Uuid>,
    user_id: Uuid,
    statuses: &[OfferStatus],
    page: &Page<AfterTime>,
    now: DateTime<Utc>,
) -> Result<Vec<Transfer>> {
    let mut query = transfers::table.select(Transfer::as_select()).into_boxed();
    query = match project_id {
        Some(project_id) => query.filter(transfers::project_id.eq(project_id)),
        None => query.filter(transfers::from_user_id.eq(user_id).or(transfers::to_user_id.eq(user_id))),
    };
    if !statuses.is_empty() {
        let has_expired = transfers::status.eq(OfferStatus::Pending).and(transfers::expires_at.le(now));
        let expired = OfferStatus::Expired.into_sql::<SqlOfferStatus>();
        query = query.filter(case_when(has_expired, expired).otherwise(transfers::status).eq_any(statuses));
    }
    if let Some(after) = page.after {
        let before = transfers::created_at.lt(after.at).or(transfers::id.lt(after.id));
        query = query.filter(transfers::created_at.le(after.at).and(before));
    }
    let query = query.order((transfers::created_at.desc(), transfers::id.desc())).limit(page.size + 1);
    Ok(query.load(&mut conn).await?)
}

/// Inserts a transfer and commits.
pub(crate) async fn insert(
    tx: Transaction,
    _proof: &ProjectAccess,
    transfer: &NewTransfer,
) -> Result<Transfer> {
    let statement =
        diesel::insert_into(transfers::table).values(transfer).returning(Transfer::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(transfer.id))
}

/// Closes a locked transfer and commits. A trigger hands an accepted project over.
pub(crate) async fn close(
    tx: Transaction,
    _proof: &ProjectAccess,
    transfer: &Transfer,
    answer: Answer,
    now: DateTime<Utc>,
) -> Result<Transfer> {
    let statement = diesel::update(transfers::table.find(transfer.id))
        .set((transfers::status.eq(answer.target_status()), transfers::closed_at.eq(now)))
        .returning(Transfer::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(transfer.id))
}

/// Locks a project, its owner, another member and its pending transfer under the worker role.
pub(crate) async fn lock_ownership(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    new_owner_id: Uuid,
) -> Result<()> {
    let lock = sql_query("SELECT project.lock_ownership($1, $2)")
        .bind::<SqlUuid, _>(project_id)
        .bind::<SqlUuid, _>(new_owner_id);
    PreparedQuery(lock).execute(&mut conn).await?;
    Ok(())
}

/// Makes a user the owner of a locked project under the worker role, and commits.
pub(crate) async fn set_owner(
    tx: Transaction,
    project: &Project,
    new_owner_id: Uuid,
    keep_former_owner: bool,
) -> Result<Project> {
    let mut conn = &*tx;
    let set = sql_query("SELECT project.set_owner($1, $2, $3)")
        .bind::<SqlUuid, _>(project.id)
        .bind::<SqlUuid, _>(new_owner_id)
        .bind::<Bool, _>(keep_former_owner);
    PreparedQuery(set).execute(&mut conn).await.map_err(explain(CONSTRAINTS))?;
    let project = projects::find(&tx, project.id).await?;
    tx.commit().await?;
    Ok(project)
}

fn not_found(id: Uuid) -> Error {
    Error::not_found("ownership transfer", id)
}

/// A project and who owns it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::projects, check_for_backend(diesel::pg::Pg))]
pub(crate) struct OwnedProject {
    pub id: Uuid,
    pub name: String,
    pub owner_id: Uuid,
}

/// A page of all projects by id, plus one if there are more, read under the worker role.
pub(crate) async fn list_owned(mut conn: &AsyncPgConnection, page: &Page<Uuid>) -> Result<Vec<OwnedProject>> {
    let query = schema::projects::table
        .filter(schema::projects::id.gt(page.after.unwrap_or_default()))
        .order(schema::projects::id)
        .limit(page.size + 1)
        .select(OwnedProject::as_select());
    Ok(query.load(&mut conn).await?)
}
