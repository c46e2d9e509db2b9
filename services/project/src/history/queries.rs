//! SQL about what happened. Row-level security shows it to those who see the project, and what is its members' to
//! members.

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use shared::page::Page;
use uuid::Uuid;

use super::{Change, Part, Place, Wish};

/// A page of what happened to these parts of a project, newest first, with one change too many if there are more.
pub(crate) async fn history(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    parts: &[Part],
    wish: &Wish,
    page: &Page<Place>,
) -> Result<Vec<Change>> {
    let before = page.after.unwrap_or(Place { transaction_id: i64::MAX, position: i64::MAX });
    let entities: Vec<&str> = parts.iter().map(|part| part.entity()).collect();
    let query = sql_query(
        "SELECT transaction_id::text::bigint AS transaction_id, position, changed_at, entity, operation, \
         old_values, new_values, actor_id, trace_id FROM project.change_log \
         WHERE project_id = $1 AND entity = ANY ($2) \
         AND (change_log.transaction_id, position) < ($3::text::xid8, $4) \
         AND ($5 IS NULL OR actor_id = $5) \
         AND ($6 IS NULL OR changed_at >= $6) AND ($7 IS NULL OR changed_at < $7) \
         ORDER BY change_log.transaction_id DESC, position DESC LIMIT $8",
    );
    let query = query
        .bind::<SqlUuid, _>(project_id)
        .bind::<Array<Text>, _>(entities)
        .bind::<BigInt, _>(before.transaction_id)
        .bind::<BigInt, _>(before.position)
        .bind::<Nullable<SqlUuid>, _>(wish.actor_id)
        .bind::<Nullable<Timestamptz>, _>(wish.since)
        .bind::<Nullable<Timestamptz>, _>(wish.until)
        .bind::<BigInt, _>(page.size + 1);
    Ok(Prepared(query).load(&mut conn).await?)
}
