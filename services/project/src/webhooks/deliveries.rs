//! SQL of deliveries, for requests. Row-level security shows those of webhooks that the caller sees.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::{AccessTables, ProjectAccess};
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{Delivery, NewDelivery, NewMessage, Webhook, queries};
use crate::schema::{DeliveryStatus, webhook_deliveries, webhook_messages};

/// What the user may do in the project of a delivery. Fails with `NOT_FOUND` if they cannot see it.
pub(super) async fn access(conn: &AsyncPgConnection, id: Uuid, user_id: Uuid) -> Result<ProjectAccess> {
    let finder = "project.project_of_webhook_delivery";
    let access = AccessTables::Owned.access_through(conn, finder, id, user_id).await?;
    access.ok_or_else(|| not_found(id))
}

/// A delivery and the body of its request.
pub(super) async fn find(mut conn: &AsyncPgConnection, id: Uuid) -> Result<Option<(Delivery, String)>> {
    let query = webhook_deliveries::table
        .inner_join(webhook_messages::table)
        .filter(webhook_deliveries::id.eq(id))
        .select((Delivery::as_select(), webhook_messages::payload));
    Ok(query.get_result(&mut conn).await.optional()?)
}

/// A page of a webhook's deliveries, newest first, plus one row if there is a next page.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    webhook_id: Uuid,
    statuses: &[DeliveryStatus],
    page: &Page<AfterTime>,
) -> Result<Vec<Delivery>> {
    let mut query = webhook_deliveries::table
        .inner_join(webhook_messages::table)
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .select(Delivery::as_select())
        .into_boxed();
    if !statuses.is_empty() {
        query = query.filter(webhook_deliveries::status.eq_any(statuses));
    }
    if let Some(after) = page.after {
        let before = webhook_deliveries::created_at.lt(after.at).or(webhook_deliveries::id.lt(after.id));
        query = query.filter(webhook_deliveries::created_at.le(after.at).and(before));
    }
    let order = (webhook_deliveries::created_at.desc(), webhook_deliveries::id.desc());
    Ok(query.order(order).limit(page.size + 1).load(&mut conn).await?)
}

/// Fails unless the webhook is active and takes another delivery.
pub(super) async fn require_room(conn: &AsyncPgConnection, webhook: &Webhook) -> Result<()> {
    webhook.require_active()?;
    if queries::full(conn, &[webhook.id]).await?.is_empty() {
        return Ok(());
    }
    Err(Error::Exhausted {
        reason: ErrorReason::Overloaded,
        message: "many events wait for this webhook; try again later",
        retry_after: Duration::from_secs(60),
    })
}

/// Queues a delivery, of a new message if there is one, and commits.
pub(super) async fn insert(
    tx: Transaction,
    _proof: &ProjectAccess,
    message: Option<&NewMessage>,
    delivery: &NewDelivery,
) -> Result<Delivery> {
    let mut conn: &AsyncPgConnection = &tx;
    if let Some(message) = message {
        diesel::insert_into(webhook_messages::table).values(message).execute(&mut conn).await?;
    }
    diesel::insert_into(webhook_deliveries::table).values(delivery).execute(&mut conn).await?;
    let queued = find(&tx, delivery.id).await?;
    tx.commit().await?;
    let (queued, _payload) = queued.ok_or_else(|| not_found(delivery.id))?;
    Ok(queued)
}

/// A delivery that is sent out of the order of its resource.
pub(super) fn separate_delivery(
    id: Uuid,
    webhook_id: Uuid,
    message_id: Uuid,
    now: DateTime<Utc>,
) -> NewDelivery {
    NewDelivery { id, webhook_id, message_id, order_key: id, next_attempt_at: now, created_at: now }
}

pub(super) fn not_found(id: Uuid) -> Error {
    Error::not_found("webhook_delivery", id)
}
