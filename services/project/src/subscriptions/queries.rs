//! SQL of subscriptions. Row-level security shows users their own ones to what they may read.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::access::ProjectAccess;
use shared::database::{PreparedQuery, Transaction};
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use uuid::Uuid;

use super::{Subscription, Target};

const COLUMNS: &str = "target_id, target_type, project_id, reason, created_at";

pub(super) async fn find(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    target: Target,
) -> Result<Option<Subscription>> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM project.subscriptions WHERE target_id = $1 AND target_type = $2 AND user_id = $3"
    ))
    .bind::<SqlUuid, _>(target.id)
    .bind::<Text, _>(target.target_type.as_str())
    .bind::<SqlUuid, _>(user_id);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many subscriptions the caller has by choice.
pub(super) async fn count_chosen(mut conn: &AsyncPgConnection) -> Result<i64> {
    let query = sql_query("SELECT project.count_chosen_subscriptions() AS count");
    Ok(PreparedQuery(query).get_result::<CountRow>(&mut conn).await?.count)
}

/// A page of subscriptions, newest first, plus one row if there is a next page.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    project_id: Option<Uuid>,
    page: &Page<AfterTime>,
) -> Result<Vec<Subscription>> {
    let before = page.after.unwrap_or(AfterTime { at: DateTime::<Utc>::MAX_UTC, id: Uuid::max() });
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM project.subscriptions \
         WHERE user_id = $1 AND ($2 IS NULL OR project_id = $2) AND (created_at, target_id) < ($3, $4) \
         ORDER BY created_at DESC, target_id DESC LIMIT $5"
    ))
    .bind::<SqlUuid, _>(user_id)
    .bind::<Nullable<SqlUuid>, _>(project_id)
    .bind::<Timestamptz, _>(before.at)
    .bind::<SqlUuid, _>(before.id)
    .bind::<BigInt, _>(page.size + 1);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// Subscribes the user by choice and commits. A subscription of a concurrent call stays as it is.
pub(super) async fn insert(tx: Transaction, access: &ProjectAccess, target: Target) -> Result<Subscription> {
    let query = sql_query(format!(
        "INSERT INTO project.subscriptions AS s (target_id, target_type, user_id, project_id, reason) \
         VALUES ($1, $2, $3, $4, 'choice') \
         ON CONFLICT (target_id, target_type, user_id) DO UPDATE SET reason = s.reason RETURNING {COLUMNS}"
    ))
    .bind::<SqlUuid, _>(target.id)
    .bind::<Text, _>(target.target_type.as_str())
    .bind::<SqlUuid, _>(access.user_id)
    .bind::<SqlUuid, _>(access.project_id);
    let rows: Vec<Subscription> = tx.commit_with(query).await?;
    rows.into_iter().next().ok_or_else(|| Error::internal("an inserted subscription was not returned"))
}

/// Ends a subscription, if there is one, and commits.
pub(super) async fn delete(tx: Transaction, user_id: Uuid, target: Target) -> Result<()> {
    let query = sql_query(format!(
        "DELETE FROM project.subscriptions WHERE target_id = $1 AND target_type = $2 AND user_id = $3 \
         RETURNING {COLUMNS}"
    ))
    .bind::<SqlUuid, _>(target.id)
    .bind::<Text, _>(target.target_type.as_str())
    .bind::<SqlUuid, _>(user_id);
    let _ended: Vec<Subscription> = tx.commit_with(query).await?;
    Ok(())
}
