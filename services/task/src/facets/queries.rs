//! Counting in the database.

use diesel::sql_types::{BigInt, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::Result;

use super::wire::GetFacets;
use super::{Count, MAX_COUNTED};
use crate::constraints::FILTERS;
use crate::lists::queries::{FOUND, Wanted, finding};

/// The facets of which only the most frequent values are told, and where their values come from.
const OPEN_FACETS: [(&str, &str, &str); 3] = [
    ("assignee", "coalesce(assignee_id::text, '')", "counted"),
    ("tag", "tag", "counted CROSS JOIN unnest(tags) tag"),
    ("project", "project_id::text", "counted"),
];

/// Counts what passes the filter, by facet and value, the most frequent first.
pub(crate) async fn count(mut conn: &AsyncPgConnection, asked: &GetFacets) -> Result<Vec<Count>> {
    let wanted = Wanted { filter: &asked.filter, order: None, after: None, most: MAX_COUNTED + 1 };
    let query =
        finding(statement(), &wanted)?.bind::<BigInt, _>(MAX_COUNTED).bind::<Integer, _>(asked.max_values);
    Prepared(query).load(&mut conn).await.map_err(explain(FILTERS))
}

fn statement() -> String {
    let mut sql = format!(
        "WITH found AS MATERIALIZED (SELECT id FROM {FOUND} f(id)), \
         counted AS MATERIALIZED (SELECT t.status, t.priority, t.assignee_id, t.tags, t.project_id, \
             t.estimated_hours, t.actual_hours \
             FROM (SELECT id FROM found LIMIT $7) f JOIN task.tasks t ON t.id = f.id) \
         SELECT 'found' AS facet, '' AS value, count(*), NULL::bigint AS estimated_hours, \
             NULL::bigint AS actual_hours FROM found"
    );
    for facet in ["status", "priority"] {
        sql.push_str(&format!(
            " UNION ALL SELECT '{facet}', {facet}::text, count(*), sum(estimated_hours), sum(actual_hours) \
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
