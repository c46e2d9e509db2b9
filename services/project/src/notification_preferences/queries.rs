//! SQL of preferences. Row-level security shows users their own ones.

use diesel::sql_types::{Array, Uuid as SqlUuid};
use diesel::{OptionalExtension, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, Transaction};
use shared::error::{Error, Result};
use uuid::Uuid;

use super::Preferences;
use crate::schema::SqlNotificationKind;

const COLUMNS: &str = "project_id, muted_kinds, unmuted_kinds, version";

pub(super) async fn find(
    mut conn: &AsyncPgConnection,
    user_id: Uuid,
    project_id: Uuid,
) -> Result<Option<Preferences>> {
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM project.notification_preferences WHERE user_id = $1 AND project_id = $2"
    ))
    .bind::<SqlUuid, _>(user_id)
    .bind::<SqlUuid, _>(project_id);
    Ok(PreparedQuery(query).get_result(&mut conn).await.optional()?)
}

/// Locks the preferences until the transaction ends. Those that were never changed get a row, so that they can be locked.
pub(super) async fn lock(tx: &Transaction, user_id: Uuid, project_id: Uuid) -> Result<Preferences> {
    tx.send_ahead(&format!(
        "INSERT INTO project.notification_preferences (user_id, project_id) VALUES ('{user_id}', '{project_id}') \
         ON CONFLICT DO NOTHING"
    ))?;
    let query = sql_query(format!(
        "SELECT {COLUMNS} FROM project.notification_preferences WHERE user_id = $1 AND project_id = $2 FOR UPDATE"
    ))
    .bind::<SqlUuid, _>(user_id)
    .bind::<SqlUuid, _>(project_id);
    let mut conn: &AsyncPgConnection = tx;
    Ok(PreparedQuery(query).get_result(&mut conn).await?)
}

/// Writes locked preferences and commits.
pub(super) async fn update(tx: Transaction, user_id: Uuid, new: &Preferences) -> Result<Preferences> {
    let query = sql_query(format!(
        "UPDATE project.notification_preferences SET muted_kinds = $3, unmuted_kinds = $4, version = version + 1 \
         WHERE user_id = $1 AND project_id = $2 RETURNING {COLUMNS}"
    ))
    .bind::<SqlUuid, _>(user_id)
    .bind::<SqlUuid, _>(new.project_id)
    .bind::<Array<SqlNotificationKind>, _>(&new.muted_kinds)
    .bind::<Array<SqlNotificationKind>, _>(&new.unmuted_kinds);
    let rows: Vec<Preferences> = tx.commit_with(query).await?;
    rows.into_iter().next().ok_or_else(|| Error::internal("locked preferences were not updated"))
}
