//! SQL of facets.

use diesel::sql_types::{BigInt, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;

use super::wire::GetTaskFacetsInput;
use super::{Count, MAX_COUNTED};
use crate::constraints::FILTER_CONSTRAINTS;
use crate::lists::queries::{FIND_TASKS, TaskQuery, find_tasks_query};

/// Facets limited to their most frequent values: name, value, source.
const OPEN_FACETS: [(&str, &str, &str); 3] = [
    ("assignee", "coalesce(assignee_id::text, '')", "counted"),
    ("tag", "tag", "counted CROSS JOIN unnest(tags) tag"),
    ("project", "project_id::text", "counted"),
];

/// Counts the tasks that match the filter, by facet and value, the most frequent first.
pub(crate) async fn count(mut conn: &AsyncPgConnection, input: &GetTaskFacetsInput) -> Result<Vec<Count>> {
    let wanted = TaskQuery { filter: &input.filter, order: None, after: None, most: MAX_COUNTED + 1 };
    let query = find_tasks_query(statement(), &wanted)?
        .bind::<BigInt, _>(MAX_COUNTED)
        .bind::<Integer, _>(input.max_values);
    PreparedQuery(query).load(&mut conn).await.map_err(explain(FILTER_CONSTRAINTS))
}

fn statement() -> String {
    let mut sql = format!(
        "WITH found AS MATERIALIZED (SELECT id FROM {FIND_TASKS} f(id)), \
         counted AS MATERIALIZED (SELECT t.status, t.priority, t.assignee_id, t.tags, t.project_id, \
             t.estimated_minutes, t.actual_minutes \
             FROM (SELECT id FROM found LIMIT $7) f JOIN task.tasks t ON t.id = f.id) \
         SELECT 'found' AS facet, '' AS value, count(*), NULL::bigint AS estimated_minutes, \
             NULL::bigint AS actual_minutes FROM found"
    );
    for facet in ["status", "priority"] {
        sql.push_str(&format!(
            " UNION ALL SELECT '{facet}', {facet}::text, count(*), sum(estimated_minutes), sum(actual_minutes) \
             FROM counted GROUP BY {facet}"
        ));
    }
    for (facet, value, source) in OPEN_FACETS {
        sql.push_str(&format!(
            " UNION ALL (SELECT '{facet}', {value}, count(*), NULL, NULL FROM {source} \
             GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT $8)"
        ));
    }
    sql
}
