//! SQL of notifications. Row-level security shows users their own ones about what they may read.

use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, Transaction};
use shared::error::Result;
use uuid::Uuid;

use super::{InboxPositions, Notification, NotificationFilter};
use crate::schema::SqlNotificationKind;

/// The columns of a [`Notification`] `n` in an inbox `i`.
const COLUMNS: &str = "n.position, n.kind, n.reason, n.project_id, n.target_type, n.target_id, n.comment_id, n.actor_id, \
     n.sequence, n.changed_at, n.changed_fields, n.position <= i.read_position AS is_read";
const TABLES: &str =
    "project.notifications n JOIN project.inboxes i ON i.user_id = n.user_id WHERE n.user_id = $1";

/// A page of notifications before a position, newest first, plus one row if there is a next page.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    filter: &NotificationFilter,
    before: i64,
    size: i64,
) -> Result<Vec<Notification>> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM {TABLES} AND n.position < $2 \
         AND ($3 IS NULL OR (n.position <= i.read_position) = $3) \
         AND (cardinality($4) = 0 OR n.project_id = ANY ($4)) AND (cardinality($5) = 0 OR n.kind = ANY ($5)) \
         ORDER BY n.position DESC LIMIT $6"
    ))
    .bind::<SqlUuid, _>(user_id)
    .bind::<BigInt, _>(before)
    .bind::<Nullable<Bool>, _>(filter.is_read)
    .bind::<Array<SqlUuid>, _>(&filter.project_ids)
    .bind::<Array<SqlNotificationKind>, _>(&filter.kinds)
    .bind::<BigInt, _>(size + 1);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

/// The next notifications after a position, oldest first.
pub(super) async fn after(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    position: i64,
    size: i64,
) -> Result<Vec<Notification>> {
    let query =
        sql_query(format!("SELECT {COLUMNS} FROM {TABLES} AND n.position > $2 ORDER BY n.position LIMIT $3"))
            .bind::<SqlUuid, _>(user_id)
            .bind::<BigInt, _>(position)
            .bind::<BigInt, _>(size);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = Integer)]
    count: i32,
}

pub(super) async fn count_unread(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<i32> {
    let query = sql_query(format!(
        "SELECT count(*)::integer AS count FROM {TABLES} AND n.position > i.read_position"
    ))
    .bind::<SqlUuid, _>(user_id);
    Ok(PreparedQuery(query).get_result::<CountRow>(&mut conn).await?.count)
}

/// Marks notifications up to a position and commits.
pub(super) async fn mark_read(tx: Transaction, user_id: Uuid, position: i64) -> Result<InboxPositions> {
    let query = sql_query(
        "UPDATE project.inboxes SET read_position = greatest(read_position, least(last_position, $2)) \
         WHERE user_id = $1 RETURNING last_position, read_position",
    )
    .bind::<SqlUuid, _>(user_id)
    .bind::<BigInt, _>(position);
    let rows: Vec<InboxPositions> = tx.commit_with(query).await?;
    // A user who was never notified has no inbox.
    Ok(rows.into_iter().next().unwrap_or_default())
}

pub(super) async fn positions(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<InboxPositions> {
    let query = sql_query("SELECT last_position, read_position FROM project.inboxes WHERE user_id = $1")
        .bind::<SqlUuid, _>(user_id);
    let found = PreparedQuery(query).get_result(&mut conn).await.optional()?;
    Ok(found.unwrap_or_default())
}

#[derive(QueryableByName)]
pub(super) struct InboxRow {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(embed)]
    pub positions: InboxPositions,
}

/// The positions of the inboxes of these users, read under the worker role.
pub(super) async fn positions_of(mut conn: &AsyncPgConnection, user_ids: &[Uuid]) -> Result<Vec<InboxRow>> {
    let query = sql_query(
        "SELECT user_id, last_position, read_position FROM project.inboxes WHERE user_id = ANY ($1)",
    )
    .bind::<Array<SqlUuid>, _>(user_ids);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
