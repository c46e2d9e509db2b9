//! SQL of the full-text search.

use diesel::sql_types::{BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;

use super::wire::SearchTasksInput;
use super::{MAX_RANKED, TaskMatch};
use crate::constraints::SEARCH_CONSTRAINTS;
use crate::lists::TaskOrder;
use crate::lists::queries::{FIND_TASKS, TaskQuery, find_tasks_query};
use crate::tasks::queries::{COLUMNS, MAX_RESPONSE_BYTES};

/// The bytes of a task with its highlights.
const MATCH_BYTES: &str = "(5000 + octet_length(t.title) + octet_length(coalesce(t.description, '')) \
     + octet_length(t.tags::text) + 4 * octet_length(t.metadata::text))::bigint";

/// A page of matches, the best first, plus one if there are more. The score does not grow with the length of a text
/// (normalization 1). The task whose key is the query has the best score.
pub(super) async fn search(
    mut conn: &AsyncPgConnection,
    search: &SearchTasksInput,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<TaskMatch>> {
    let sql = format!(
        "WITH query AS MATERIALIZED (SELECT task.parse_search_query($7) AS words, task.task_of_key($7) AS task_id), \
         ranked AS (SELECT s.task_id AS id, (ts_rank(s.search_vector, query.words, 1) \
             + coalesce((s.task_id = query.task_id)::integer, 0))::real AS score \
             FROM {FIND_TASKS} f(id) JOIN task.task_search s ON s.task_id = f.id CROSS JOIN query), \
         page AS (SELECT id, score FROM ranked WHERE $8 IS NULL OR (score, id) < ($8, $9) \
             ORDER BY score DESC, id DESC LIMIT $10), \
         sized AS (SELECT {COLUMNS}, page.score, {MATCH_BYTES} AS own_bytes, \
             sum({MATCH_BYTES}) OVER (ORDER BY page.score DESC, page.id DESC)::bigint AS bytes \
             FROM page JOIN task.tasks t ON t.id = page.id \
             JOIN task.project_access a ON a.project_id = t.project_id) \
         SELECT t.*, {} AS marked_title, {} AS marked_description FROM sized t CROSS JOIN query \
         WHERE t.bytes - t.own_bytes <= {MAX_RESPONSE_BYTES} ORDER BY t.score DESC, t.id DESC",
        mark_all(crate::NAME, "t.title", "query.words"),
        mark_excerpts(crate::NAME, "coalesce(t.description, '')", "query.words"),
    );
    let wanted =
        TaskQuery { filter: &search.filter, order: Some(TaskOrder::NEWEST), after: None, most: MAX_RANKED };
    let query = find_tasks_query(sql, &wanted)?
        .bind::<Text, _>(search.query.clone())
        .bind::<Nullable<Float>, _>(after.map(|after| after.rank))
        .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.id))
        .bind::<BigInt, _>(size + 1);
    PreparedQuery(query).load(&mut conn).await.map_err(explain(SEARCH_CONSTRAINTS))
}
