//! SQL of the search. Row-level security limits rows to projects that the caller may read; the function
//! `search_documents`, which uses the index, checks the same.

use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;

use super::wire::SearchInput;
use super::{DocumentMatch, MAX_EXCERPT_SOURCE_BYTES, MAX_EXCERPT_SOURCE_CHARS, MAX_RANKED};
use crate::constraints::SEARCH_CONSTRAINTS;
use crate::documents::filter::HEAD_COLUMNS;
use crate::query_builder::QueryBuilder;

/// One page of matches, the best first, and further rows if there is another page. Only [`MAX_RANKED`] matches are
/// ranked, and only contents of the page are read, up to [`MAX_EXCERPT_SOURCE_BYTES`].
pub(crate) async fn search(
    mut conn: &AsyncPgConnection,
    input: &SearchInput,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<DocumentMatch>> {
    let query = select_matches(page(candidates(input), after, size), size);
    PreparedQuery(query.finish()).load(&mut conn).await.map_err(explain(SEARCH_CONSTRAINTS))
}

/// The newest documents that match and pass the filter.
fn candidates(input: &SearchInput) -> QueryBuilder {
    let query = QueryBuilder::new("WITH input AS MATERIALIZED (SELECT content.parse_search_query(")
        .bind::<Text, _>(input.query.clone())
        .sql(") AS query), candidates AS (SELECT d.id FROM content.documents d");
    input
        .filter
        .apply(query)
        .sql(" AND d.id IN (")
        .matching_ids(&input.query, &input.filter.project_ids)
        .sql(") ORDER BY d.created_at DESC, d.id DESC LIMIT ")
        .bind::<BigInt, _>(MAX_RANKED)
}

/// The best candidates. Normalization 1 divides the rank by the logarithm of the length.
fn page(query: QueryBuilder, after: Option<AfterRank>, size: i64) -> QueryBuilder {
    let query = query.sql(
        "), ranked AS (SELECT s.document_id AS id, ts_rank(s.search_vector, input.query, 1) AS score \
         FROM candidates JOIN content.document_search s ON s.document_id = candidates.id CROSS JOIN input), \
         page AS (SELECT id, score FROM ranked",
    );
    query.best_after(after, size).sql(") ")
}

/// The columns of the page. The length of a content is known without reading it.
fn select_matches(query: QueryBuilder, size: i64) -> QueryBuilder {
    let content = format!("left(coalesce(d.content, ''), {MAX_EXCERPT_SOURCE_CHARS})");
    query.sql(&format!(
        "SELECT {HEAD_COLUMNS}, d.score, d.is_shown, \
         CASE WHEN d.is_shown THEN {} ELSE '' END AS marked_title, \
         CASE WHEN d.is_shown THEN {} ELSE '' END AS marked_content \
         FROM (SELECT {HEAD_COLUMNS}, d.content, page.score, row_number() OVER w <= {size} \
             AND coalesce(sum(least(octet_length(d.content), {MAX_EXCERPT_SOURCE_CHARS})) \
                 OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < {MAX_EXCERPT_SOURCE_BYTES} AS is_shown \
             FROM page JOIN content.documents d ON d.id = page.id \
             WINDOW w AS (ORDER BY page.score DESC, page.id DESC)) d CROSS JOIN input \
         ORDER BY d.score DESC, d.id DESC",
        mark_all(crate::NAME, "d.title", "input.query"),
        mark_excerpts(crate::NAME, &content, "input.query"),
    ))
}
