//! SQL on the security events in `change_log`. Policies show users only their own; the background role sees all.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::database::PreparedQuery;
use shared::error::{Error, Result};
use shared::page::{AfterTime, Page};
use shared::validation::TimeRange;
use uuid::Uuid;

use super::Event;

pub(super) async fn append_all(mut conn: &AsyncPgConnection, events: &[&Event]) -> Result<()> {
    let events = serde_json::to_value(events).map_err(Error::internal)?;
    let query = sql_query("SELECT identity.append_security_events($1)").bind::<Jsonb, _>(events);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}

#[derive(Clone, Debug, Default)]
pub(super) struct EventFilter {
    pub(super) user_id: Option<Uuid>,
    /// Empty for all.
    pub(super) kinds: Vec<String>,
    pub(super) occurred_at: TimeRange,
    pub(super) address: Option<String>,
}

#[derive(QueryableByName)]
pub(super) struct EventRow {
    #[diesel(sql_type = SqlUuid)]
    pub(super) id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub(super) at: DateTime<Utc>,
    #[diesel(sql_type = Jsonb)]
    pub(super) event: Value,
}

/// Events, newest first, and one more than the page holds.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &EventFilter,
    page: &Page<AfterTime>,
) -> Result<Vec<EventRow>> {
    let query = sql_query(
        "SELECT entity_id AS id, changed_at AS at, new_values AS event FROM identity.change_log \
         WHERE entity = 'security_event' \
         AND ($1 IS NULL OR new_values ->> 'user_id' = $1::text) \
         AND (cardinality($2) = 0 OR new_values ->> 'kind' = ANY ($2)) \
         AND ($3 IS NULL OR changed_at >= $3) AND ($4 IS NULL OR changed_at < $4) \
         AND ($5 IS NULL OR new_values ->> 'address' = $5) \
         AND ($6 IS NULL OR (changed_at, entity_id) < ($6, $7)) \
         ORDER BY changed_at DESC, entity_id DESC LIMIT $8",
    )
    .bind::<Nullable<SqlUuid>, _>(filter.user_id)
    .bind::<Array<Text>, _>(&filter.kinds)
    .bind::<Nullable<Timestamptz>, _>(filter.occurred_at.start)
    .bind::<Nullable<Timestamptz>, _>(filter.occurred_at.end)
    .bind::<Nullable<Text>, _>(filter.address.as_deref())
    .bind::<Nullable<Timestamptz>, _>(page.after.map(|after| after.at))
    .bind::<Nullable<SqlUuid>, _>(page.after.map(|after| after.id))
    .bind::<BigInt, _>(page.size + 1);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
