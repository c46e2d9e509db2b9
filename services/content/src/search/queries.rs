//! SQL of the search. Row-level security limits rows to projects that the caller may read; the function
//! `search_documents`, which uses the index, checks the same.

use diesel::sql_types::{BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;
use uuid::Uuid;

use super::wire::SearchInput;
use super::{DocumentMatch, MAX_EXCERPT_SOURCE_CHARS, MAX_RANKED};
use crate::documents::filter::{HEAD_COLUMNS, QueryBuilder};

/// One page of matches, the best first, and one more row if there is another page. Only [`MAX_RANKED`] matches are
/// ranked, and only contents of the page are read.
pub(crate) async fn search(
    mut conn: &AsyncPgConnection,
    search: &SearchInput,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<DocumentMatch>> {
    let query = candidates(search);
    let query = page(query, after, size);
    Ok(Prepared(select_matches(query).finish()).load(&mut conn).await?)
}

/// The newest documents that match and pass the filter.
fn candidates(search: &SearchInput) -> QueryBuilder {
    let query = QueryBuilder::new("WITH asked AS (SELECT websearch_to_tsquery('english', ")
        .bind::<Text, _>(search.text.clone())
        .sql(
            ") AS words), candidates AS (SELECT d.id FROM content.documents d \
             WHERE d.id IN (SELECT content.search_documents((SELECT words FROM asked), ",
        )
        .bind::<Nullable<SqlUuid>, _>(search.project_id)
        .sql("))");
    search
        .filter
        .apply(query)
        .sql(" ORDER BY d.created_at DESC, d.id DESC LIMIT ")
        .bind::<BigInt, _>(MAX_RANKED)
}

/// The best candidates. Normalization 1 divides the rank by the logarithm of the length.
fn page(query: QueryBuilder, after: Option<AfterRank>, size: i64) -> QueryBuilder {
    let query = query.sql(
        "), ranked AS (SELECT s.document_id AS id, ts_rank(s.search_vector, asked.words, 1) AS rank \
         FROM candidates JOIN content.document_search s ON s.document_id = candidates.id CROSS JOIN asked), \
         page AS (SELECT id, rank FROM ranked",
    );
    let query = match after {
        None => query,
        Some(AfterRank { rank, id }) => query
            .sql(" WHERE (rank, id) < (")
            .bind::<Float, _>(rank)
            .sql(", ")
            .bind::<SqlUuid, _>(id)
            .sql(")"),
    };
    query.sql(" ORDER BY rank DESC, id DESC LIMIT ").bind::<BigInt, _>(size + 1).sql(") ")
}

/// The columns of the page.
fn select_matches(query: QueryBuilder) -> QueryBuilder {
    let content = format!("left(coalesce(d.content, ''), {MAX_EXCERPT_SOURCE_CHARS})");
    query.sql(&format!(
        "SELECT {HEAD_COLUMNS}, page.rank, {} AS marked_title, {} AS marked_content \
         FROM page JOIN content.documents d ON d.id = page.id CROSS JOIN asked \
         ORDER BY page.rank DESC, page.id DESC",
        mark_all("d.title", "asked.words"),
        mark_excerpts(&content, "asked.words"),
    ))
}

/// Appends the condition that a document has these words.
pub(crate) fn filter_by_text(query: QueryBuilder, text: Option<String>, project_id: Uuid) -> QueryBuilder {
    let Some(text) = text else { return query };
    query
        .sql(" AND d.id IN (SELECT content.search_documents(websearch_to_tsquery('english', ")
        .bind::<Text, _>(text)
        .sql("), ")
        .bind::<SqlUuid, _>(project_id)
        .sql("))")
}
