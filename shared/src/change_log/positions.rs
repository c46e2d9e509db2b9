//! The position of a consumer in a feed. It moves in the transaction of the effects, so that each change takes effect once.

use diesel::sql_types::Text;
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::database::{Database, PreparedQuery};
use crate::error::Result;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    cursor: String,
}

/// The position of a feed; `None` before the first.
pub async fn get(worker: &Database, schema: &'static str, feed: &str) -> Result<Option<String>> {
    let tx = worker.begin_background().await?;
    let mut conn: &AsyncPgConnection = &tx;
    let query = sql_query(format!("SELECT cursor FROM {schema}.feed_positions WHERE feed = $1"));
    let row: Option<Row> =
        PreparedQuery(query.bind::<Text, _>(feed)).get_result(&mut conn).await.optional()?;
    tx.finish();
    Ok(row.map(|row| row.cursor))
}

/// Moves the position of a feed, in the caller's transaction.
pub async fn set(mut conn: &AsyncPgConnection, schema: &'static str, feed: &str, cursor: &str) -> Result<()> {
    let query = sql_query(format!(
        "INSERT INTO {schema}.feed_positions (feed, cursor) VALUES ($1, $2) \
         ON CONFLICT (feed) DO UPDATE SET cursor = excluded.cursor"
    ))
    .bind::<Text, _>(feed)
    .bind::<Text, _>(cursor);
    PreparedQuery(query).execute(&mut conn).await?;
    Ok(())
}
