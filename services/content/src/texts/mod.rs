//! Texts as lines: how two differ, how a patch changes one, and how two changes become one. Pure, and bounded in
//! time: what is not compared when the time is over counts as different, which is coarser and still right.
//!
//! A line ends with LF and keeps it, so that lines one after another are the text; only the last may lack it.

pub mod diff;
pub mod merge;
pub mod patch;
pub mod unified;

use std::ops::Range;
use std::time::Instant;

use similar::{Algorithm, DiffOp, DiffTag, DiffableStr, capture_diff_slices_deadline};

/// A text cut into pieces that are the text when put one after another.
#[derive(Clone, Debug)]
pub struct Pieces<'t> {
    text: &'t str,
    items: Vec<&'t str>,
    /// Where each piece begins, in bytes, and where the last ends.
    starts: Vec<usize>,
}

impl<'t> Pieces<'t> {
    /// The lines of a text.
    pub fn lines(text: &'t str) -> Self {
        Self::new(text, text.split_inclusive('\n').collect())
    }

    /// The words of a text and the blanks between them.
    pub fn words(text: &'t str) -> Self {
        Self::new(text, text.tokenize_words())
    }

    fn new(text: &'t str, items: Vec<&'t str>) -> Self {
        let ends = items.iter().scan(0, |end, item| {
            *end += item.len();
            Some(*end)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        Self { text, items, starts }
    }

    /// How many pieces there are.
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Some pieces one after another; empty beyond the end.
    pub fn slice(&self, range: Range<usize>) -> &'t str {
        let bound = |index: usize| self.starts.get(index).copied();
        let bytes = bound(range.start).zip(bound(range.end)).map(|(start, end)| start..end);
        bytes.and_then(|bytes| self.text.get(bytes)).unwrap_or_default()
    }

    /// One piece.
    pub fn get(&self, index: usize) -> Option<&'t str> {
        self.items.get(index).copied()
    }

    /// How this text becomes another one: what is the same and what is not, in order, without gaps.
    fn compare(&self, to: &Pieces<'_>, deadline: Instant) -> Vec<DiffOp> {
        capture_diff_slices_deadline(Algorithm::Myers, &self.items, &to.items, Some(deadline))
    }
}

/// Lines of a base that one side has replaced, and the lines of that side that stand there now. Either may be
/// empty, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Lines of the base, counted from 0.
    pub base: Range<usize>,
    /// Lines of the side, counted from 0.
    pub side: Range<usize>,
}

/// The changes that make a side of a base, in order; between any two of them a line has stayed.
pub fn changes(base: &Pieces<'_>, side: &Pieces<'_>, deadline: Instant) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for op in base.compare(side, deadline) {
        if op.tag() == DiffTag::Equal {
            continue;
        }
        let (base, side) = (op.old_range(), op.new_range());
        match found.last_mut() {
            Some(last) if last.base.end == base.start && last.side.end == side.start => {
                last.base.end = base.end;
                last.side.end = side.end;
            }
            _ => found.push(Change { base, side }),
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod samples {
    //! Texts for property tests.

    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    /// More time than any test's text needs.
    pub(crate) fn no_hurry() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Few kinds of lines, so that they repeat, with odd ends and none at the end.
    pub(crate) fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec("(a|b|c c|ü|)(\n|\r\n|)", 0..12).prop_map(|lines| lines.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{no_hurry, text};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_the_text(text in text()) {
            for pieces in [Pieces::lines(&text), Pieces::words(&text)] {
                prop_assert_eq!(pieces.slice(0..pieces.count()), &text);
                prop_assert_eq!(pieces.items.concat(), text.clone());
            }
        }

        #[test]
        fn changes_make_the_side_of_the_base(base in text(), side in text()) {
            let (from, to) = (Pieces::lines(&base), Pieces::lines(&side));
            let (mut made, mut at) = (String::new(), 0);
            for change in changes(&from, &to, no_hurry()) {
                made.push_str(from.slice(at..change.base.start));
                made.push_str(to.slice(change.side));
                at = change.base.end;
            }
            made.push_str(from.slice(at..from.count()));
            prop_assert_eq!(made, side);
        }
    }

    #[test]
    fn when_the_time_is_over_the_changes_are_coarse_and_right() {
        let base = "a\nb\nc\n".repeat(50);
        let side = "b\na\nd\n".repeat(50);
        let (from, to) = (Pieces::lines(&base), Pieces::lines(&side));
        let found = changes(&from, &to, Instant::now());
        let gone: usize = found.iter().map(|change| change.base.len()).sum();
        let new: usize = found.iter().map(|change| change.side.len()).sum();
        assert_eq!(from.count() - gone + new, to.count());
    }
}
