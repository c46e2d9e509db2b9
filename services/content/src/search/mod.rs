//! Finding documents by their words. The database finds and ranks them, and marks the found words in what it shows.

pub(crate) mod queries;
pub mod rpc;
pub(crate) mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Float, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::documents::DocumentHead;

/// Longest search text, in characters.
pub const MAX_QUERY_CHARS: usize = 500;
/// Most documents on a page: of each, excerpts are made.
pub const MAX_MATCHES: i64 = 200;
/// How many documents are ranked at most, the newest.
pub const MAX_RANKED: i64 = 10_000;
/// How much of a content is looked through for excerpts, in characters.
pub const MAX_EXCERPT_SOURCE_CHARS: i32 = 128 * 1024;
/// How long one excerpt may be, in characters, however long its words are.
pub const MAX_EXCERPT_CHARS: usize = 1_000;

/// Marks in what the database shows: begin and end of a found word, and the gap between two excerpts. They are
/// characters for private use, taken out of the text before: so no text can pretend to be a mark.
pub const MARKS: [char; 3] = ['\u{e000}', '\u{e001}', '\u{e002}'];

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

/// Where a search goes on: after this match.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AfterMatch {
    /// Its rank.
    pub rank: f32,
    /// Its id.
    pub id: Uuid,
}

/// A piece of a text, and whether it is a found word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text, without marks.
    pub text: String,
    /// Whether it was found.
    pub is_match: bool,
}

/// The excerpts in a marked text, each in spans.
pub fn excerpts(marked: &str) -> Vec<Vec<Span>> {
    let [_, _, gap] = MARKS;
    marked.split(gap).map(spans).filter(|spans| !spans.is_empty()).collect()
}

/// The spans of a marked text.
pub fn spans(marked: &str) -> Vec<Span> {
    let [begin, end, _] = MARKS;
    let mut found: Vec<Span> = Vec::new();
    let mut is_match = false;
    for piece in marked.split_inclusive([begin, end]) {
        let next = piece.ends_with(begin);
        let text = piece.trim_end_matches([begin, end]);
        if !text.is_empty() {
            found.push(Span { text: text.to_owned(), is_match });
        }
        is_match = next;
    }
    shorten(found)
}

/// Cuts spans off where an excerpt would be too long.
fn shorten(spans: Vec<Span>) -> Vec<Span> {
    let mut room = MAX_EXCERPT_CHARS;
    let mut kept = Vec::with_capacity(spans.len());
    for span in spans {
        let text: String = span.text.chars().take(room).collect();
        room -= text.chars().count();
        if !text.is_empty() {
            kept.push(Span { text, ..span });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, is_match: bool) -> Span {
        Span { text: text.to_owned(), is_match }
    }

    #[test]
    fn marks_become_spans() {
        let found = excerpts("the \u{e000}red\u{e001} fox\u{e002}\u{e000}red\u{e001}");
        let first = vec![span("the ", false), span("red", true), span(" fox", false)];
        assert_eq!(found, [first, vec![span("red", true)]]);
        assert!(excerpts("").is_empty());
    }

    #[test]
    fn an_excerpt_of_endless_words_is_cut() {
        let long = "x".repeat(MAX_EXCERPT_CHARS);
        let found = spans(&format!("{long}\u{e000}{long}\u{e001}"));
        assert_eq!(found, [span(&long, false)]);
    }
}
