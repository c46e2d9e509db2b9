//! SQL of the search.

use diesel::sql_types::{BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;

use super::wire::Search;
use super::{MAX_RANKED, TaskMatch};
use crate::constraints::FILTERS;
use crate::lists::TaskOrder;
use crate::lists::queries::{FOUND, Wanted, finding};

/// A page of matches, the best first, and one more if there are more. A long text is not better for being long (1); the
/// task that was asked for by its key is better than all others.
pub(super) async fn search(
    mut conn: &AsyncPgConnection,
    search: &Search,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<TaskMatch>> {
    let sql = format!(
        "WITH asked AS (SELECT task.parse_search_query($7) AS words), \
         ranked AS (SELECT s.task_id AS id, (ts_rank(s.search_vector, asked.words, 1) \
             + coalesce((s.search_vector @@ quote_literal($8)::tsquery)::integer, 0))::real AS rank \
             FROM {FOUND} f(id) JOIN task.task_search s ON s.task_id = f.id CROSS JOIN asked), \
         page AS (SELECT id, rank FROM ranked WHERE $9 IS NULL OR (rank, id) < ($9, $10) \
             ORDER BY rank DESC, id DESC LIMIT $11) \
         SELECT t.*, t.xmin, page.rank AS relevance, {} AS marked_title, {} AS marked_description \
         FROM page JOIN task.tasks t ON t.id = page.id CROSS JOIN asked ORDER BY page.rank DESC, page.id DESC",
        mark_all("t.title", "asked.words"),
        mark_excerpts("coalesce(t.description, '')", "asked.words"),
    );
    let wanted =
        Wanted { filter: &search.filter, order: Some(TaskOrder::NEWEST), after: None, most: MAX_RANKED };
    let query = finding(sql, &wanted)?
        .bind::<Text, _>(search.text.clone())
        .bind::<Nullable<Text>, _>(search.key.map(|key| key.to_string().to_lowercase()))
        .bind::<Nullable<Float>, _>(after.map(|after| after.rank))
        .bind::<Nullable<SqlUuid>, _>(after.map(|after| after.id))
        .bind::<BigInt, _>(size + 1);
    Prepared(query).load(&mut conn).await.map_err(explain(FILTERS))
}
