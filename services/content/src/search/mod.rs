//! Finding documents by their words. The database finds and ranks them, and marks the found words in what it shows.

pub(crate) mod queries;
pub mod rpc;
pub(crate) mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Float, Text};

use crate::documents::DocumentHead;

/// Longest search text, in characters.
pub const MAX_QUERY_CHARS: usize = 500;
/// Most documents on a page: of each, excerpts are made.
pub const MAX_MATCHES: i64 = 200;
/// How many documents are ranked at most, the newest.
pub const MAX_RANKED: i64 = 10_000;
/// How much of a content is looked through for excerpts, in characters.
pub const MAX_EXCERPT_SOURCE_CHARS: i32 = 128 * 1024;

/// A found document.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct DocumentMatch {
    /// All but the content.
    #[diesel(embed)]
    pub head: DocumentHead,
    /// How well it matches.
    #[diesel(sql_type = Float)]
    pub rank: f32,
    /// The title with marks.
    #[diesel(sql_type = Text)]
    pub marked_title: String,
    /// Excerpts of the content with marks.
    #[diesel(sql_type = Text)]
    pub marked_content: String,
}
