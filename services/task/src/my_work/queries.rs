//! SQL of the caller's work.

use diesel::sql_types::{Integer, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;

use super::wire::GetMyWorkInput;
use super::{GroupedTask, MAX_OPEN};
use crate::constraints::FILTER_CONSTRAINTS;
use crate::lists::queries::{FIND_TASKS, TaskQuery, find_tasks_query};
use crate::tasks::queries::{COLUMNS, MAX_RESPONSE_BYTES, MESSAGE_BYTES};

/// The first tasks of each group, in the group's order. Groups are shorter when their tasks would not fit into a
/// response.
pub(super) async fn groups(mut conn: &AsyncPgConnection, input: &GetMyWorkInput) -> Result<Vec<GroupedTask>> {
    let sql = format!(
        "WITH mine AS MATERIALIZED (SELECT t.id, t.status, t.priority, t.due_date, t.created_at \
             FROM {FIND_TASKS} f(id) JOIN task.tasks t ON t.id = f.id), \
         placed AS (SELECT m.id, g.kind, count(*) OVER of_kind AS total, row_number() OVER (of_kind \
             ORDER BY m.due_date NULLS LAST, m.priority DESC, m.created_at, m.id) AS index \
             FROM mine m CROSS JOIN LATERAL (VALUES \
                 ('overdue', m.due_date < now()), \
                 ('due_today', m.due_date >= now() AND m.due_date < $7), \
                 ('due_soon', m.due_date >= coalesce($7, now()) AND m.due_date < $8), \
                 ('in_progress', m.status IN ('in_progress', 'review')), \
                 ('ready', m.status = 'pending'), \
                 ('blocked', m.status = 'blocked')) g(kind, holds) \
             WHERE g.holds WINDOW of_kind AS (PARTITION BY g.kind)) \
         SELECT * FROM (SELECT {COLUMNS}, p.kind, p.total, p.index, \
             sum({MESSAGE_BYTES}) OVER (ORDER BY p.index, p.kind)::bigint AS bytes \
             FROM placed p JOIN task.tasks t ON t.id = p.id \
             JOIN task.project_access a ON a.project_id = t.project_id WHERE p.index <= $9) work \
         WHERE bytes <= {MAX_RESPONSE_BYTES} ORDER BY kind, index"
    );
    let wanted = TaskQuery { filter: &input.filter, order: None, after: None, most: MAX_OPEN };
    let query = find_tasks_query(sql, &wanted)?
        .bind::<Nullable<Timestamptz>, _>(input.today_end_time)
        .bind::<Nullable<Timestamptz>, _>(input.soon_end_time)
        .bind::<Integer, _>(input.group_size);
    PreparedQuery(query).load(&mut conn).await.map_err(explain(FILTER_CONSTRAINTS))
}
