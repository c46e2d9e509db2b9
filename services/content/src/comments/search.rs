//! Full-text search in comments, as [`crate::search`] in documents.

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Float, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{PreparedQuery, explain};
use shared::error::Result;
use shared::highlight::mark_excerpts;
use shared::page::AfterRank;

use uuid::Uuid;

use super::Comment;
use super::queries::columns;
use crate::constraints::SEARCH_CONSTRAINTS;
use crate::query_builder::{QueryBuilder, non_empty};

/// A validated [`SearchCommentsRequest`](proto::content::v1::SearchCommentsRequest).
#[derive(Clone, Debug)]
pub(super) struct SearchCommentsInput {
    pub query: String,
    /// Empty for all that the caller may read.
    pub project_ids: Vec<Uuid>,
    pub page_size: i32,
    pub page_token: String,
}

/// Most matches on a page: excerpts are computed for each.
pub const MAX_MATCHES: i64 = 200;
/// Of more matches, the newest are ranked. Ranking splits their contents into words again.
const MAX_RANKED: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct CommentMatch {
    #[diesel(embed)]
    pub comment: Comment,
    #[diesel(sql_type = Float)]
    pub score: f32,
    /// Excerpts of the content.
    #[diesel(sql_type = Text)]
    pub marked_content: String,
}

/// One page of matches, the best first, and one more row if there is another page.
pub(super) async fn search(
    mut conn: &AsyncPgConnection,
    input: &SearchCommentsInput,
    after: Option<AfterRank>,
    size: i64,
) -> Result<Vec<CommentMatch>> {
    let query = QueryBuilder::new("WITH input AS MATERIALIZED (SELECT content.parse_search_query(")
        .bind::<Text, _>(input.query.clone())
        .sql(
            ") AS query), candidates AS (SELECT c.id, c.content FROM content.comments c \
             WHERE c.id IN (SELECT content.search_comments(content.parse_search_query(",
        )
        .bind::<Text, _>(input.query.clone())
        .sql("), ")
        .bind::<Nullable<Array<SqlUuid>>, _>(non_empty(&input.project_ids))
        .sql(")) ORDER BY c.created_at DESC, c.id DESC LIMIT ")
        .bind::<BigInt, _>(MAX_RANKED)
        .sql(
            "), ranked AS (SELECT c.id, ts_rank(content.words_and_parts(c.content), input.query, 1) AS score \
             FROM candidates c CROSS JOIN input), page AS (SELECT id, score FROM ranked",
        );
    let query = query.best_after(after, size).sql(&format!(
        ") SELECT {}, page.score, {} AS marked_content \
         FROM page JOIN content.comments c ON c.id = page.id CROSS JOIN input \
         ORDER BY page.score DESC, page.id DESC",
        columns(),
        mark_excerpts(crate::NAME, "c.content", "input.query"),
    ));
    PreparedQuery(query.finish()).load(&mut conn).await.map_err(explain(SEARCH_CONSTRAINTS))
}
