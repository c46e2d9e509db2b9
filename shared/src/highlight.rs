//! Matches in a text: the database marks the matching words, and here the marks become spans.

use proto::common::{Excerpt, HighlightSpan};

/// Longest excerpt, in characters.
pub const MAX_EXCERPT_CHARS: usize = 1_000;

/// Marks: begin and end of a match, and the gap between two excerpts. They are noncharacters of Unicode, which mean
/// nothing in a text, and are removed from it before, so that no text can imitate a mark.
const MARKS: [char; 3] = ['\u{fdd0}', '\u{fdd1}', '\u{fdd2}'];

/// The SQL that shows a whole short text with the words of a `tsquery` marked; both are SQL as well. `schema` has the
/// text search configuration `all_words`.
pub fn mark_all(schema: &str, text: &str, words: &str) -> String {
    let [begin, end, gap] = MARKS;
    format!(
        "ts_headline('{schema}.all_words', translate({text}, '{begin}{end}{gap}', ''), {words}, \
         'HighlightAll=true, StartSel=\"{begin}\", StopSel=\"{end}\"')"
    )
}

/// The SQL that shows up to three passages of a text with the words of a `tsquery` marked; its beginning if there are
/// none.
pub fn mark_excerpts(schema: &str, text: &str, words: &str) -> String {
    let [begin, end, gap] = MARKS;
    format!(
        "ts_headline('{schema}.all_words', translate({text}, '{begin}{end}{gap}', ''), {words}, 'MaxFragments=3, MinWords=8, \
         MaxWords=24, StartSel=\"{begin}\", StopSel=\"{end}\", FragmentDelimiter=\"{gap}\"')"
    )
}

/// The excerpts in a marked text.
pub fn excerpts(marked: &str) -> Vec<Excerpt> {
    let [_, _, gap] = MARKS;
    marked.split(gap).map(spans).filter(|spans| !spans.is_empty()).map(|spans| Excerpt { spans }).collect()
}

/// The spans of a marked text.
pub fn spans(marked: &str) -> Vec<HighlightSpan> {
    let [begin, end, _] = MARKS;
    let mut found: Vec<HighlightSpan> = Vec::new();
    let mut matched = false;
    for piece in marked.split_inclusive([begin, end]) {
        let next = piece.ends_with(begin);
        let text = piece.trim_end_matches([begin, end]);
        if !text.is_empty() {
            found.push(HighlightSpan { text: text.to_owned(), matched });
        }
        matched = next;
    }
    shorten(found)
}

/// Cuts spans off where an excerpt would be too long.
fn shorten(spans: Vec<HighlightSpan>) -> Vec<HighlightSpan> {
    let mut room = MAX_EXCERPT_CHARS;
    let mut kept = Vec::with_capacity(spans.len());
    for span in spans {
        let text: String = span.text.chars().take(room).collect();
        room -= text.chars().count();
        if !text.is_empty() {
            kept.push(HighlightSpan { text, ..span });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, matched: bool) -> HighlightSpan {
        HighlightSpan { text: text.to_owned(), matched }
    }

    #[test]
    fn marks_become_spans() {
        let found = excerpts("the \u{fdd0}red\u{fdd1} fox\u{fdd2}\u{fdd0}red\u{fdd1}");
        let first = Excerpt { spans: vec![span("the ", false), span("red", true), span(" fox", false)] };
        assert_eq!(found, [first, Excerpt { spans: vec![span("red", true)] }]);
        assert!(excerpts("").is_empty());
    }

    #[test]
    fn characters_for_private_use_are_text() {
        let found = spans("\u{fdd0}needle\u{fdd1}\u{e000}\u{e001}");
        assert_eq!(found, [span("needle", true), span("\u{e000}\u{e001}", false)]);
    }

    #[test]
    fn an_excerpt_of_endless_words_is_cut() {
        let long = "x".repeat(MAX_EXCERPT_CHARS);
        let found = spans(&format!("{long}\u{fdd0}{long}\u{fdd1}"));
        assert_eq!(found, [span(&long, false)]);
    }
}
