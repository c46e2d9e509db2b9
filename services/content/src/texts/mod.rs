//! Comparing, patching and merging texts by lines. Comparisons end at a deadline: the rest counts as different, so that
//! the result is coarser, but correct.
//!
//! A line ends with LF, which is part of it; only the last line may have none.

pub mod diff;
pub mod merge;
pub mod patch;
pub mod ranges;
pub mod unified;

use std::ops::Range;
use std::time::Instant;

use similar::{Algorithm, DiffOp, DiffTag, DiffableStr, capture_diff_slices_deadline};

/// A text, split into segments.
#[derive(Clone, Debug)]
pub struct Segments<'t> {
    text: &'t str,
    items: Vec<&'t str>,
    /// The offset of each segment in bytes, and the length of the text.
    starts: Vec<usize>,
}

impl<'t> Segments<'t> {
    pub fn lines(text: &'t str) -> Self {
        Self::new(text, text.split_inclusive('\n').collect())
    }

    /// Words and the blanks between them.
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

    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// The text of some segments; empty beyond the end.
    pub fn slice(&self, range: Range<usize>) -> &'t str {
        let bound = |index: usize| self.starts.get(index).copied();
        let bytes = bound(range.start).zip(bound(range.end)).map(|(start, end)| start..end);
        bytes.and_then(|bytes| self.text.get(bytes)).unwrap_or_default()
    }

    pub fn get(&self, index: usize) -> Option<&'t str> {
        self.items.get(index).copied()
    }

    fn compare(&self, to: &Segments<'_>, deadline: Instant) -> Vec<DiffOp> {
        capture_diff_slices_deadline(Algorithm::Myers, &self.items, &to.items, Some(deadline))
    }
}

/// Lines of a base, and the lines of a side that replace them. Only one of both may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Lines of the base, from 0.
    pub base: Range<usize>,
    /// Lines of the side, from 0.
    pub side: Range<usize>,
}

/// The changes that turn a base into a side, in order, with an unchanged line between any two.
pub fn changes(base: &Segments<'_>, side: &Segments<'_>, deadline: Instant) -> Vec<Change> {
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

    pub(crate) fn far_deadline() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Few different lines, so that they repeat, some without LF.
    pub(crate) fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec("(a|b|c c|ü|)(\n|\r\n|)", 0..12).prop_map(|lines| lines.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{far_deadline, text};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn segments_concatenate_to_the_text(text in text()) {
            for segments in [Segments::lines(&text), Segments::words(&text)] {
                prop_assert_eq!(segments.slice(0..segments.count()), &text);
                prop_assert_eq!(segments.items.concat(), text.clone());
            }
        }

        #[test]
        fn changes_turn_the_base_into_the_side(base in text(), side in text()) {
            let (from, to) = (Segments::lines(&base), Segments::lines(&side));
            let (mut made, mut at) = (String::new(), 0);
            for change in changes(&from, &to, far_deadline()) {
                made.push_str(from.slice(at..change.base.start));
                made.push_str(to.slice(change.side));
                at = change.base.end;
            }
            made.push_str(from.slice(at..from.count()));
            prop_assert_eq!(made, side);
        }
    }

    #[test]
    fn changes_after_the_deadline_are_coarse_but_correct() {
        let base = "a\nb\nc\n".repeat(50);
        let side = "b\na\nd\n".repeat(50);
        let (from, to) = (Segments::lines(&base), Segments::lines(&side));
        let found = changes(&from, &to, Instant::now());
        let gone: usize = found.iter().map(|change| change.base.len()).sum();
        let new: usize = found.iter().map(|change| change.side.len()).sum();
        assert_eq!(from.count() - gone + new, to.count());
    }
}
