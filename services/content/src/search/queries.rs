//! SQL of the search. Row-level security shows the rows of projects that the caller may read; what finds the matches
//! by the index asks the same for each (`search_documents`).

use diesel::sql_types::{BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use shared::highlight::{mark_all, mark_excerpts};
use shared::page::AfterRank;
use uuid::Uuid;

use super::wire::Search;
use super::{DocumentMatch, MAX_EXCERPT_SOURCE_CHARS, MAX_RANKED};
use crate::documents::filter::{Composed, HEAD_COLUMNS};

/// One page of matches, the best first, with one row too many if there are more. What is ranked is bounded, and
/// contents are read for the page alone.
pub(crate) async fn search(
    mut conn: &AsyncPgConnection,
    search: &Search,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<DocumentMatch>> {
    let query = candidates(search);
    let query = page(query, after, size);
    Ok(Prepared(shown(query).finish()).load(&mut conn).await?)
}

/// The newest documents that match and pass the filter.
fn candidates(search: &Search) -> Composed {
    let query = Composed::new("WITH asked AS (SELECT websearch_to_tsquery('english', ")
        .value::<Text, _>(search.text.clone())
        .sql(
            ") AS words), candidates AS (SELECT d.id FROM content.documents d \
             WHERE d.id IN (SELECT content.search_documents((SELECT words FROM asked), ",
        )
        .value::<Nullable<SqlUuid>, _>(search.project_id)
        .sql("))");
    search
        .filter
        .narrow(query)
        .sql(" ORDER BY d.created_at DESC, d.id DESC LIMIT ")
        .value::<BigInt, _>(MAX_RANKED)
}

/// The best of the candidates. A long text is not better for being long (1).
fn page(query: Composed, after: Option<AfterRank>, size: i64) -> Composed {
    let query = query.sql(
        "), ranked AS (SELECT s.document_id AS id, ts_rank(s.search_vector, asked.words, 1) AS rank \
         FROM candidates JOIN content.document_search s ON s.document_id = candidates.id CROSS JOIN asked), \
         page AS (SELECT id, rank FROM ranked",
    );
    let query = match after {
        None => query,
        Some(AfterRank { rank, id }) => query
            .sql(" WHERE (rank, id) < (")
            .value::<Float, _>(rank)
            .sql(", ")
            .value::<SqlUuid, _>(id)
            .sql(")"),
    };
    query.sql(" ORDER BY rank DESC, id DESC LIMIT ").value::<BigInt, _>(size + 1).sql(") ")
}

/// What is shown of a page.
fn shown(query: Composed) -> Composed {
    let content = format!("left(coalesce(d.content, ''), {MAX_EXCERPT_SOURCE_CHARS})");
    query.sql(&format!(
        "SELECT {HEAD_COLUMNS}, page.rank, {} AS marked_title, {} AS marked_content \
         FROM page JOIN content.documents d ON d.id = page.id CROSS JOIN asked \
         ORDER BY page.rank DESC, page.id DESC",
        mark_all("d.title", "asked.words"),
        mark_excerpts(&content, "asked.words"),
    ))
}

/// The condition that a document has these words, for lists.
pub(crate) fn having_words(query: Composed, text: Option<String>, project_id: Uuid) -> Composed {
    let Some(text) = text else { return query };
    query
        .sql(" AND d.id IN (SELECT content.search_documents(websearch_to_tsquery('english', ")
        .value::<Text, _>(text)
        .sql("), ")
        .value::<SqlUuid, _>(project_id)
        .sql("))")
}
