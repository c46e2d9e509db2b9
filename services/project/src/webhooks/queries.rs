//! SQL of webhooks. Row-level security shows them to members; handlers require `WEBHOOK_MANAGE` in addition.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::database::{PreparedQuery, Transaction, explain};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{MAX_PENDING_DELIVERIES, NewWebhook, Webhook, WebhookChange};
use crate::constraints::CONSTRAINTS;
use crate::schema::webhooks;

/// What the user may do in the project of a webhook. Fails with `NOT_FOUND` if they cannot see it.
pub(super) async fn access(conn: &AsyncPgConnection, id: Uuid, user_id: Uuid) -> Result<ProjectAccess> {
    let access = AccessTables::Owned.access_through(conn, "project.project_of_webhook", id, user_id).await?;
    access.ok_or_else(|| not_found(id))
}

pub(super) async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Webhook>> {
    let query = webhooks::table.find(id).select(Webhook::as_select());
    Ok(query.get_result(&mut conn).await.optional()?)
}

pub(super) async fn lock(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<Webhook>> {
    let query = webhooks::table.find(id).select(Webhook::as_select()).for_no_key_update();
    Ok(query.get_result(&mut conn).await.optional()?)
}

pub(super) async fn count(mut conn: &AsyncPgConnection, project_id: Uuid) -> Result<i64> {
    Ok(webhooks::table.filter(webhooks::project_id.eq(project_id)).count().get_result(&mut conn).await?)
}

/// A page of a project's webhooks, newest first, plus one row if there is a next page.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    page: &Page<AfterTime>,
) -> Result<Vec<Webhook>> {
    let mut query =
        webhooks::table.filter(webhooks::project_id.eq(project_id)).select(Webhook::as_select()).into_boxed();
    if let Some(after) = page.after {
        let before = webhooks::created_at.lt(after.at).or(webhooks::id.lt(after.id));
        query = query.filter(webhooks::created_at.le(after.at).and(before));
    }
    let query = query.order((webhooks::created_at.desc(), webhooks::id.desc())).limit(page.size + 1);
    Ok(query.load(&mut conn).await?)
}

/// Inserts a webhook and commits. A trigger adds its state.
pub(super) async fn insert(tx: Transaction, _proof: &ProjectAccess, webhook: &NewWebhook) -> Result<Webhook> {
    let statement = diesel::insert_into(webhooks::table).values(webhook).returning(Webhook::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(webhook.id))
}

/// Updates a locked webhook and commits. A trigger starts a resumed one afresh.
pub(super) async fn update(
    tx: Transaction,
    _proof: &ProjectAccess,
    id: Uuid,
    change: &WebhookChange,
) -> Result<Webhook> {
    let statement = diesel::update(webhooks::table.find(id)).set(change).returning(Webhook::as_returning());
    let rows = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    rows.into_iter().next().ok_or_else(|| not_found(id))
}

/// Deletes a locked webhook with its deliveries and commits.
pub(super) async fn delete(tx: Transaction, _proof: &ProjectAccess, id: Uuid) -> Result<()> {
    let statement = diesel::delete(webhooks::table.find(id)).returning(webhooks::id);
    let gone: Vec<Uuid> = tx.commit_with(statement).await.map_err(explain(CONSTRAINTS))?;
    if gone.is_empty() { Err(not_found(id)) } else { Ok(()) }
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Those of these webhooks with the maximum of waiting deliveries.
pub(super) async fn full(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let query = sql_query(
        "SELECT w.id FROM project.webhooks w WHERE w.id = ANY ($1) AND EXISTS (\
         SELECT 1 FROM project.webhook_deliveries d WHERE d.webhook_id = w.id AND d.status = 'pending' OFFSET $2)",
    )
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(ids)
    .bind::<BigInt, _>(MAX_PENDING_DELIVERIES - 1);
    let rows: Vec<IdRow> = PreparedQuery(query).load(&mut conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

pub(super) fn not_found(id: Uuid) -> Error {
    Error::not_found("webhook", id)
}
