//! Full-text search. PostgreSQL finds and ranks documents, and marks the matching words.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Float, Text};

use crate::documents::DocumentHead;

/// Longest search text, in characters.
pub const MAX_QUERY_CHARS: usize = 500;
/// Most matches on a page: excerpts are computed for each.
pub const MAX_MATCHES: i64 = 200;
/// Of more matches, the newest are ranked.
pub const MAX_RANKED: i64 = 10_000;
/// Length of the beginning of a content from which excerpts are taken, in characters.
pub const MAX_EXCERPT_SOURCE_CHARS: i32 = 128 * 1024;

/// A page ends with the match that makes its contents, as far as excerpts are taken from them, this large in bytes.
/// Marking takes about a second for ten times as much.
pub const MAX_EXCERPT_SOURCE_BYTES: i64 = 2 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct DocumentMatch {
    #[diesel(embed)]
    pub head: DocumentHead,
    #[diesel(sql_type = Float)]
    pub score: f32,
    /// Whether it is on the page. The others only tell that there is a next page, and are not marked.
    #[diesel(sql_type = Bool)]
    pub is_shown: bool,
    #[diesel(sql_type = Text)]
    pub marked_title: String,
    /// Excerpts of the content.
    #[diesel(sql_type = Text)]
    pub marked_content: String,
}
