//! Sums of time, computed by the database.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use super::queries::{conditions, filtered};
use super::{MAX_REPORT_ROWS, ReportGroup, TimeEntryFilter};

/// The time of one combination of groups, and of all rows of the report.
#[derive(Debug, QueryableByName)]
pub(super) struct ReportRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) project_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) user_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(super) task_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    pub(super) seconds: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) entries: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) total_seconds: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) total_entries: i64,
}

/// The rows with the most time, plus one if there are more. Without groups, one row with the totals.
pub(super) async fn sum_up(
    mut conn: &AsyncPgConnection,
    filter: &TimeEntryFilter,
    groups: &[ReportGroup],
) -> Result<Vec<ReportRow>> {
    let [project, user, task] = [
        (ReportGroup::Project, "e.project_id"),
        (ReportGroup::User, "e.user_id"),
        (ReportGroup::Task, "e.task_id"),
    ]
    .map(|(group, column)| if groups.contains(&group) { column } else { "NULL::uuid" });
    let grouping = if groups.is_empty() { "" } else { "GROUP BY 1, 2, 3" };
    let conditions = conditions(filter);
    // LEAST and GREATEST ignore an end of the range that is open. Seconds are cut after they are summed up.
    let sql = format!(
        "WITH sums AS (SELECT {project} AS project_id, {user} AS user_id, {task} AS task_id, \
             coalesce(sum(extract(epoch FROM least(e.ended_at, $5) - greatest(e.started_at, $4))), 0) AS seconds, \
             count(*) AS entries \
             FROM task.time_entries e WHERE {conditions} AND e.ended_at IS NOT NULL {grouping}) \
         SELECT project_id, user_id, task_id, floor(seconds)::bigint AS seconds, entries, \
             floor(sum(seconds) OVER ())::bigint AS total_seconds, \
             (sum(entries) OVER ())::bigint AS total_entries \
         FROM sums ORDER BY sums.seconds DESC, project_id, user_id, task_id LIMIT {}",
        MAX_REPORT_ROWS + 1
    );
    Ok(PreparedQuery(filtered(sql, filter)).load(&mut conn).await?)
}
