//! SQL of the queue of deliveries, under the worker role. A process claims a webhook by moving `available_at` ahead, and
//! works on it only while it stands there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::access::{Permission, Permissions};
use shared::database::{Database, PreparedQuery, Transaction};
use shared::error::{Error, Result};
use shared::schema::ProjectRole;
use uuid::Uuid;

use super::client::Attempt;
use super::{MAX_FAILING_TIME, RETENTION, endpoint_delay, notices, permission_to_read, retry_delay};
use crate::schema::{DeliveryStatus, PauseReason, webhook_deliveries, webhook_states};

/// How long a claim lasts, longer than a request takes: after a crash, another process goes on then.
const CLAIM_DURATION: TimeDelta = TimeDelta::seconds(30);
/// Deliveries and messages deleted in one transaction.
const DELETE_BATCH_SIZE: i64 = 1000;

/// A webhook that this process has claimed until a time.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(super) struct Claim {
    #[diesel(sql_type = SqlUuid)]
    pub webhook_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub available_at: DateTime<Utc>,
}

/// A delivery that is due, with all that its request needs.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct DueDelivery {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub message_id: Uuid,
    #[diesel(sql_type = Text)]
    pub payload: String,
    #[diesel(sql_type = Text)]
    pub url: String,
    #[diesel(sql_type = Integer)]
    pub generation: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub former_secret_expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Text)]
    event_type: String,
    /// Of the maintainer; `None` if they are no member.
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    permissions: Option<Value>,
}

impl DueDelivery {
    /// Whether the maintainer may still read what it is about.
    pub(super) fn is_authorized(&self) -> bool {
        let role = self.role.as_deref().and_then(ProjectRole::from_label);
        let Some((role, needed)) = role.zip(permission_to_read(&self.event_type)) else { return false };
        let permissions = Permissions::of(Some(role), self.permissions.as_ref());
        permissions.contains(Permission::WebhookManage) && permissions.contains(needed)
    }
}

#[derive(QueryableByName)]
struct HealthRow {
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    failing_since: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct ExistsRow {
    #[diesel(sql_type = Bool)]
    found: bool,
}

/// Claims webhooks with deliveries that are due, at most so many, those that waited longest first.
pub(super) async fn claim(worker: &Database, now: DateTime<Utc>, limit: usize) -> Result<Vec<Claim>> {
    let tx = worker.begin_background().await?;
    let query = sql_query(
        "UPDATE project.webhook_states SET available_at = $2 WHERE webhook_id IN (\
         SELECT s.webhook_id FROM project.webhook_states s \
         JOIN project.webhooks w ON w.id = s.webhook_id AND w.status = 'active' \
         WHERE s.available_at <= $1 AND EXISTS (SELECT 1 FROM project.webhook_deliveries d \
         WHERE d.webhook_id = s.webhook_id AND d.status = 'pending' AND d.next_attempt_at <= $1) \
         ORDER BY s.available_at LIMIT $3 FOR UPDATE OF s SKIP LOCKED) RETURNING webhook_id, available_at",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + CLAIM_DURATION)
    .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(tx.commit_with(query).await?)
}

/// The next delivery of a claimed webhook, whose claim is renewed; `None` if there is none, or the claim is lost. A
/// delivery waits for earlier ones with the same key.
pub(super) async fn next(
    worker: &Database,
    claim: &mut Claim,
    now: DateTime<Utc>,
) -> Result<Option<DueDelivery>> {
    let tx = worker.begin_background().await?;
    if !move_claim(&tx, claim, now + CLAIM_DURATION).await? {
        return Ok(None);
    }
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query(
        "SELECT d.id, d.message_id, m.payload, m.event_type, w.url, w.generation, w.former_secret_expires_at, \
         d.attempts, p.role::text AS role, p.permissions FROM project.webhooks w \
         LEFT JOIN project.project_members p ON p.project_id = w.project_id AND p.user_id = w.maintainer_id \
         JOIN project.webhook_deliveries d ON d.webhook_id = w.id \
         JOIN project.webhook_messages m ON m.id = d.message_id \
         WHERE w.id = $1 AND w.status = 'active' AND d.status = 'pending' AND d.next_attempt_at <= $2 \
         AND NOT EXISTS (SELECT 1 FROM project.webhook_deliveries e WHERE e.webhook_id = d.webhook_id \
         AND e.order_key = d.order_key AND e.status = 'pending' AND e.position < d.position) \
         ORDER BY d.position LIMIT 1",
    )
    .bind::<SqlUuid, _>(claim.webhook_id)
    .bind::<Timestamptz, _>(now);
    let due: Option<DueDelivery> = PreparedQuery(query).get_result(&mut conn).await.optional()?;
    tx.commit().await?;
    Ok(due)
}

/// Moves the claim; returns whether it was still there.
async fn move_claim(mut conn: &AsyncPgConnection, claim: &mut Claim, until: DateTime<Utc>) -> Result<bool> {
    let held = webhook_states::table
        .find(claim.webhook_id)
        .filter(webhook_states::available_at.eq(claim.available_at));
    let change = webhook_states::available_at.eq(until);
    let moved: Option<DateTime<Utc>> = diesel::update(held)
        .set(change)
        .returning(webhook_states::available_at)
        .get_result(&mut conn)
        .await
        .optional()?;
    claim.available_at = moved.unwrap_or(claim.available_at);
    Ok(moved.is_some())
}

/// Lets the webhook go, so that the next process may send to it from this time on.
pub(super) async fn release(worker: &Database, mut claim: Claim, from: DateTime<Utc>) -> Result<()> {
    let tx = worker.begin_background().await?;
    move_claim(&tx, &mut claim, from).await?;
    tx.commit().await
}

/// Records an attempt. After a failure, the delivery and the endpoint are left alone for a while; returns until when, or
/// `None` after a success.
pub(super) async fn record(
    worker: &Database,
    claim: Claim,
    due: &DueDelivery,
    attempt: &Attempt,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    let tx = worker.begin_background().await?;
    // What pauses, resumes or deletes a webhook locks it before its state and its deliveries; so does this.
    let webhook_id = claim.webhook_id;
    tx.send_ahead(&format!("SELECT FROM project.webhooks WHERE id = '{webhook_id}' FOR NO KEY UPDATE"))?;
    let jitter: f64 = rand::random();
    let attempts = due.attempts + 1;
    let retry_at = retry_delay(attempts, jitter).filter(|_| !attempt.is_gone()).map(|delay| now + delay);
    record_delivery(&tx, due, attempt, attempts, retry_at, now).await?;
    if attempt.is_success() {
        let healthy = sql_query(
            "UPDATE project.webhook_states SET failures = 0, failing_since = NULL \
                 WHERE webhook_id = $1 AND failures > 0",
        );
        let mut conn: &AsyncPgConnection = &tx;
        PreparedQuery(healthy.bind::<SqlUuid, _>(claim.webhook_id)).execute(&mut conn).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let health = record_failure(&tx, claim.webhook_id, now).await?;
    let failing_time = health.failing_since.map(|since| now - since).unwrap_or_default();
    if attempt.is_gone() {
        notices::pause(&tx, &[claim.webhook_id], PauseReason::Gone).await?;
    } else if retry_at.is_none() && failing_time >= MAX_FAILING_TIME {
        notices::pause(&tx, &[claim.webhook_id], PauseReason::Failing).await?;
    }
    tx.commit().await?;
    Ok(Some(now + endpoint_delay(health.failures, jitter)))
}

/// Gives up a delivery that the maintainer may not read.
pub(super) async fn refuse(worker: &Database, due: &DueDelivery) -> Result<()> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let change = (
        webhook_deliveries::status.eq(DeliveryStatus::Failed),
        webhook_deliveries::failure.eq("the maintainer of the webhook may not read this event"),
    );
    diesel::update(webhook_deliveries::table.find(due.id)).set(change).execute(&mut conn).await?;
    tx.commit().await
}

async fn record_delivery(
    mut conn: &AsyncPgConnection,
    due: &DueDelivery,
    attempt: &Attempt,
    attempts: i32,
    retry_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let status = match retry_at {
        _ if attempt.is_success() => DeliveryStatus::Delivered,
        Some(_) => DeliveryStatus::Pending,
        None => DeliveryStatus::Failed,
    };
    let change = (
        webhook_deliveries::status.eq(status),
        webhook_deliveries::attempts.eq(attempts),
        webhook_deliveries::next_attempt_at.eq(retry_at.unwrap_or(now)),
        webhook_deliveries::attempted_at.eq(now),
        webhook_deliveries::attempt_milliseconds.eq(milliseconds(attempt.duration)),
        webhook_deliveries::response_status.eq(attempt.result.as_ref().ok().map(|status| i32::from(*status))),
        webhook_deliveries::failure.eq(attempt.result.as_ref().err()),
    );
    let pending =
        webhook_deliveries::table.find(due.id).filter(webhook_deliveries::status.eq(DeliveryStatus::Pending));
    diesel::update(pending).set(change).execute(&mut conn).await?;
    Ok(())
}

async fn record_failure(
    mut conn: &AsyncPgConnection,
    webhook_id: Uuid,
    now: DateTime<Utc>,
) -> Result<HealthRow> {
    let query = sql_query(
        "UPDATE project.webhook_states SET failures = failures + 1, failing_since = coalesce(failing_since, $2) \
         WHERE webhook_id = $1 RETURNING failures, failing_since",
    )
    .bind::<SqlUuid, _>(webhook_id)
    .bind::<Timestamptz, _>(now);
    let row: Option<HealthRow> = PreparedQuery(query).get_result(&mut conn).await.optional()?;
    // Deleted meanwhile, which the next claim notices.
    Ok(row.unwrap_or(HealthRow { failures: 1, failing_since: None }))
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Deletes old deliveries and the messages that have none, a batch in each transaction.
pub(super) async fn delete_old(worker: &Database, now: DateTime<Utc>) -> Result<()> {
    let before = now - RETENTION;
    for statement in [
        "WITH gone AS (DELETE FROM project.webhook_deliveries WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM project.webhook_deliveries WHERE created_at < $1 LIMIT $2)) RETURNING 1) \
         SELECT count(*) >= $2 AS found FROM gone",
        "WITH gone AS (DELETE FROM project.webhook_messages WHERE id = ANY (ARRAY(\
         SELECT m.id FROM project.webhook_messages m WHERE m.created_at < $1 AND NOT EXISTS (\
         SELECT 1 FROM project.webhook_deliveries d WHERE d.message_id = m.id) LIMIT $2)) RETURNING 1) \
         SELECT count(*) >= $2 AS found FROM gone",
    ] {
        while delete_batch(worker, statement, before).await? {}
    }
    Ok(())
}

/// Returns whether there may be more.
async fn delete_batch(worker: &Database, statement: &'static str, before: DateTime<Utc>) -> Result<bool> {
    let tx: Transaction = worker.begin_background().await?;
    let query = sql_query(statement).bind::<Timestamptz, _>(before).bind::<BigInt, _>(DELETE_BATCH_SIZE);
    let rows: Vec<ExistsRow> = tx.commit_with(query).await?;
    let row = rows.into_iter().next().ok_or_else(|| Error::internal("a count has no row"))?;
    Ok(row.found)
}
