//! SQL of the full-text search.

use diesel::sql_types::{BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;

use super::wire::SearchTasksInput;
use super::{MAX_RANKED, TaskMatch};
use crate::constraints::FILTER_CONSTRAINTS;
use crate::lists::TaskOrder;
use crate::lists::queries::{FIND_TASKS, TaskQuery, find_tasks_query};

/// A page of matches, the best first, plus one if there are more. The score does not grow with the length of a text
/// (normalization 1). The task whose key is the query has the best score.
pub(super) async fn search(
    mut conn: &AsyncPgConnection,
    search: &SearchTasksInput,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<TaskMatch>> {
    let sql = format!(
        "WITH query AS (SELECT task.parse_search_query($7) AS words), \
         ranked AS (SELECT s.task_id AS id, (ts_rank(s.search_vector, query.words, 1) \
             + coalesce((s.search_vector @@ quote_literal($8)::tsquery)::integer, 0))::real AS rank \
             FROM {FIND_TASKS} f(id) JOIN task.task_search s ON s.task_id = f.id CROSS JOIN query), \
         page AS (SELECT id, rank FROM ranked WHERE $9 IS NULL OR (rank, id) < ($9, $10) \
             ORDER BY rank DESC, id DESC LIMIT $11) \
         SELECT t.*, t.xmin, page.rank AS relevance, {} AS marked_title, {} AS marked_description \
         FROM page JOIN task.tasks t ON t.id = page.id CROSS JOIN query ORDER BY page.rank DESC, page.id DESC",
        mark_all("t.title", "asked.words"),
        mark_excerpts("coalesce(t.description, '')", "asked.words"),
    );
    let wanted =
        TaskQuery { filter: &search.filter, order: Some(TaskOrder::NEWEST), after: None, most: MAX_RANKED };
    let query = find_tasks_query(sql, &wanted)?
        .bind::<Text, _>(search.text.clone())
        .bind::<Nullable<Text>, _>(search.key.map(|key| key.to_string().to_lowercase()))
        .bind::<Nullable<Float>, _>(after.map(|after| after.rank))
        .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.id))
        .bind::<BigInt, _>(size + 1);
    Prepared(query).load(&mut conn).await.map_err(explain(FILTER_CONSTRAINTS))
}
