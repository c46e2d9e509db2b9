//! SQL of access states, run by the worker role. One statement reads a state, so that it is consistent with its
//! revision.

use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::change_log::{BATCH, Cursor};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use super::{AccessState, AccessStateRow, MAX_STATES};

const STATES: &str = "\
    SELECT r.project_id, r.revision, p.visibility, p.status, p.key, coalesce((\
        SELECT jsonb_agg(jsonb_build_object(\
            'user_id', m.user_id, 'role', m.role, 'permissions', m.permissions)) \
        FROM project.project_members m WHERE m.project_id = p.id\
    ), '[]') AS members \
    FROM project.access_revisions r LEFT JOIN project.projects p ON p.id = r.project_id";

/// The states of those projects that ever existed, in no particular order.
pub(crate) async fn states(mut conn: &AsyncPgConnection, project_ids: &[Uuid]) -> Result<Vec<AccessState>> {
    let query =
        sql_query(format!("{STATES} WHERE r.project_id = ANY ($1)")).bind::<Array<SqlUuid>, _>(project_ids);
    let rows: Vec<AccessStateRow> = PreparedQuery(query).load(&mut conn).await?;
    rows.into_iter().map(AccessState::try_from).collect()
}

/// The state of a project, unless it has this revision or never existed.
pub(crate) async fn newer_state(
    mut conn: &AsyncPgConnection,
    project_id: Uuid,
    known_revision: i64,
) -> Result<Option<AccessState>> {
    let query = sql_query(format!("{STATES} WHERE r.project_id = $1 AND r.revision <> $2"))
        .bind::<SqlUuid, _>(project_id)
        .bind::<BigInt, _>(known_revision);
    let row = PreparedQuery(query).get_result::<AccessStateRow>(&mut conn).await.optional()?;
    row.map(AccessState::try_from).transpose()
}

/// The next states by project id, at most [`MAX_STATES`].
pub(crate) async fn page(mut conn: &AsyncPgConnection, after: Uuid) -> Result<Vec<AccessState>> {
    let limit = i64::try_from(MAX_STATES).unwrap_or(i64::MAX);
    let query = sql_query(format!("{STATES} WHERE r.project_id > $1 ORDER BY r.project_id LIMIT $2"))
        .bind::<SqlUuid, _>(after)
        .bind::<BigInt, _>(limit);
    let rows: Vec<AccessStateRow> = PreparedQuery(query).load(&mut conn).await?;
    rows.into_iter().map(AccessState::try_from).collect()
}

/// A change that may be newer than the oldest running transaction.
#[derive(QueryableByName)]
pub(crate) struct EarlyChange {
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    #[diesel(sql_type = SqlUuid)]
    pub project_id: Uuid,
}

/// The next changes after a position, at most [`BATCH`], except those at known positions. Unlike `change_log::read`
/// this includes changes newer than the oldest running transaction.
pub(crate) async fn early_changes(
    mut conn: &AsyncPgConnection,
    entities: &[&str],
    after: Cursor,
    known: &[i64],
) -> Result<Vec<EarlyChange>> {
    let query = sql_query(
        "SELECT position, coalesce(project_id, entity_id) AS project_id FROM project.change_log \
         WHERE (transaction_id, position) > ($1::text::xid8, $2) AND entity = ANY ($3) AND position <> ALL ($4) \
         ORDER BY transaction_id, position LIMIT $5",
    );
    let query = query
        .bind::<BigInt, _>(after.transaction_id)
        .bind::<BigInt, _>(after.position)
        .bind::<Array<Text>, _>(entities)
        .bind::<Array<BigInt>, _>(known)
        .bind::<BigInt, _>(BATCH);
    Ok(PreparedQuery(query).load(&mut conn).await?)
}
