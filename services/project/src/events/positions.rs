//! The positions in the logs. One replica holds a position at a time, for a while that it renews; only the holder moves it,
//! and only from where it stands.

use std::time::Duration;

use diesel::sql_types::{Double, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Database, PreparedQuery, Transaction};
use shared::error::Result;
use uuid::Uuid;

/// How long a replica holds a position without a sign of life.
const HOLD_DURATION: Duration = Duration::from_secs(20);

#[derive(QueryableByName)]
struct PositionRow {
    #[diesel(sql_type = Text)]
    cursor: String,
}

/// Takes the position of a feed; `None` while another replica holds it. The cursor is empty before the first batch.
pub(super) async fn acquire(worker: &Database, feed: &str, holder: Uuid) -> Result<Option<String>> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query(
        "INSERT INTO project.feed_positions AS p (feed, holder, held_until) \
         VALUES ($1, $2, now() + make_interval(secs => $3)) \
         ON CONFLICT (feed) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until \
         WHERE p.holder = excluded.holder OR p.held_until < now() RETURNING cursor",
    )
    .bind::<Text, _>(feed)
    .bind::<SqlUuid, _>(holder)
    .bind::<Double, _>(HOLD_DURATION.as_secs_f64());
    let row: Option<PositionRow> = PreparedQuery(query).get_result(&mut conn).await.optional()?;
    tx.commit().await?;
    Ok(row.map(|row| row.cursor))
}

/// Moves the position in the transaction of the effects, and locks it until that ends. Returns whether the replica still
/// holds it there.
pub(super) async fn advance(
    tx: &Transaction,
    feed: &str,
    holder: Uuid,
    (from, to): (&str, &str),
) -> Result<bool> {
    let mut conn: &AsyncPgConnection = tx;
    let query = sql_query(
        "UPDATE project.feed_positions SET cursor = $4, held_until = now() + make_interval(secs => $5) \
         WHERE feed = $1 AND holder = $2 AND cursor = $3",
    )
    .bind::<Text, _>(feed)
    .bind::<SqlUuid, _>(holder)
    .bind::<Text, _>(from)
    .bind::<Text, _>(to)
    .bind::<Double, _>(HOLD_DURATION.as_secs_f64());
    Ok(PreparedQuery(query).execute(&mut conn).await? > 0)
}

/// Lets another replica go on at once.
pub(super) async fn release(worker: &Database, feed: &str, holder: Uuid) -> Result<()> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query =
        sql_query("UPDATE project.feed_positions SET held_until = now() WHERE feed = $1 AND holder = $2");
    query.bind::<Text, _>(feed).bind::<SqlUuid, _>(holder).execute(&mut conn).await?;
    tx.commit().await
}
