//! SQL about access states, under the worker role. A state is read in one statement, so that its revision
//! belongs to it.

use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

use super::{AccessState, AccessStateRow, MAX_STATES};

const STATES: &str = "\
    SELECT r.project_id, r.revision, p.visibility, p.status, coalesce((\
        SELECT jsonb_agg(jsonb_build_object(\
            'user_id', m.user_id, 'role', m.role, 'permissions', m.permissions)) \
        FROM project.project_members m WHERE m.project_id = p.id\
    ), '[]') AS members \
    FROM project.access_revisions r LEFT JOIN project.projects p ON p.id = r.project_id";

/// The states of these projects, as far as they ever were, in no particular order.
pub(crate) async fn states(mut conn: &AsyncPgConnection, project_ids: &[Uuid]) -> Result<Vec<AccessState>> {
    let query =
        sql_query(format!("{STATES} WHERE r.project_id = ANY ($1)")).bind::<Array<SqlUuid>, _>(project_ids);
    let rows: Vec<AccessStateRow> = Prepared(query).load(&mut conn).await?;
    rows.into_iter().map(AccessState::try_from).collect()
}

/// The next states by project id, at most [`MAX_STATES`].
pub(crate) async fn page(mut conn: &AsyncPgConnection, after: Uuid) -> Result<Vec<AccessState>> {
    let limit = i64::try_from(MAX_STATES).unwrap_or(i64::MAX);
    let query = sql_query(format!("{STATES} WHERE r.project_id > $1 ORDER BY r.project_id LIMIT $2"))
        .bind::<SqlUuid, _>(after)
        .bind::<BigInt, _>(limit);
    let rows: Vec<AccessStateRow> = Prepared(query).load(&mut conn).await?;
    rows.into_iter().map(AccessState::try_from).collect()
}

/// A change that is committed while an older transaction, of whatever service, still runs.
#[derive(QueryableByName)]
pub(crate) struct UnsettledChange {
    /// Its place in the change log.
    #[diesel(sql_type = BigInt)]
    pub position: i64,
    /// The project that it is about.
    #[diesel(sql_type = SqlUuid)]
    pub project_id: Uuid,
}

/// The changes of these tables that lie beyond what [`shared::change_log::read`] reads as yet.
pub(crate) async fn unsettled(
    mut conn: &AsyncPgConnection,
    entities: &[&str],
) -> Result<Vec<UnsettledChange>> {
    let query = sql_query(
        "SELECT position, coalesce(project_id, entity_id) AS project_id FROM project.change_log \
         WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) AND entity = ANY ($1) \
         ORDER BY transaction_id, position LIMIT $2",
    );
    let limit = i64::try_from(MAX_STATES).unwrap_or(i64::MAX);
    let query = query.bind::<Array<Text>, _>(entities).bind::<BigInt, _>(limit);
    Ok(Prepared(query).load(&mut conn).await?)
}
