//! Three-way merge of two changed texts with a common base, by lines.
//!
//! Changes that do not overlap are all applied. Two changes overlap if they replace a common line of the base, if one
//! inserts between two lines that the other replaces, or if both insert at the same place, because their order is
//! unknown. Equal changes of both sides are one change. Other changes that overlap are a conflict.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::Instant;

use super::{Change, Segments, changes};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeResult {
    Merged(String),
    /// In order; at least one.
    Conflicts(Vec<Conflict>),
}

/// Lines that the sides have changed differently, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub base: Range<usize>,
    pub first: Range<usize>,
    pub second: Range<usize>,
}

/// Merges the changes of both sides since the base.
pub fn merge(base: &str, first: &str, second: &str, deadline: Instant) -> MergeResult {
    let [base, first, second] = [base, first, second].map(Segments::lines);
    let clusters = clusters(&base, [&first, &second], deadline);
    let mut conflicts = Vec::new();
    let (mut merged, mut at) = (String::new(), 0);
    for cluster in &clusters {
        let [first_lines, second_lines] = [0, 1].map(|side| cluster.lines_of(side));
        let first_text = first.slice(first_lines.clone());
        let second_text = second.slice(second_lines.clone());
        merged.push_str(base.slice(at..cluster.base.start));
        at = cluster.base.end;
        match cluster.changed() {
            [true, false] => merged.push_str(first_text),
            [false, true] => merged.push_str(second_text),
            _ if first_text == second_text => merged.push_str(first_text),
            _ => conflicts.push(Conflict {
                base: cluster.base.clone(),
                first: first_lines,
                second: second_lines,
            }),
        }
    }
    merged.push_str(base.slice(at..base.count()));
    if conflicts.is_empty() { MergeResult::Merged(merged) } else { MergeResult::Conflicts(conflicts) }
}

/// Changes of both sides that overlap, and the lines of the base that they replace.
#[derive(Debug)]
struct Cluster {
    base: Range<usize>,
    /// The end of the last change; see [`reach`].
    reach: usize,
    /// First and last change of each side.
    sides: [Option<(Change, Change)>; 2],
}

impl Cluster {
    fn changed(&self) -> [bool; 2] {
        [0, 1].map(|side| self.sides.get(side).is_some_and(Option::is_some))
    }

    /// The lines of a side that replace those of the base.
    fn lines_of(&self, side: usize) -> Range<usize> {
        let Some(Some((first, last))) = self.sides.get(side) else { return 0..0 };
        let before = first.base.start - self.base.start;
        let after = self.base.end - last.base.end;
        first.side.start.saturating_sub(before)..last.side.end + after
    }

    fn add(&mut self, side: usize, change: Change, reach: usize) {
        self.base.start = self.base.start.min(change.base.start);
        self.base.end = self.base.end.max(change.base.end);
        self.reach = self.reach.max(reach);
        match self.sides.get_mut(side) {
            Some(Some((_, last))) => *last = change,
            Some(none) => *none = Some((change.clone(), change)),
            None => {}
        }
    }

    /// Whether a change that does not begin before this cluster overlaps it.
    fn overlaps(&self, change: &Change, reach: usize) -> bool {
        let crossing = change.base.start < self.reach && self.base.start < reach;
        crossing || (self.base == change.base)
    }
}

/// The changes of both sides in the order of the base, grouped where they overlap.
fn clusters(base: &Segments<'_>, sides: [&Segments<'_>; 2], deadline: Instant) -> Vec<Cluster> {
    let mut all: Vec<(usize, Change)> = Vec::new();
    for (number, side) in sides.into_iter().enumerate() {
        all.extend(changes(base, side, deadline).into_iter().map(|change| (number, change)));
    }
    // Popped from the end: the earliest first, and the shortest of those that begin at the same line.
    all.sort_by_key(|(_, change)| Reverse((change.base.start, change.base.end)));
    let mut found: Vec<Cluster> = Vec::new();
    while let Some((number, change)) = all.pop() {
        let reach = reach(base, sides.get(number).copied(), &change);
        match found.last_mut() {
            Some(last) if last.overlaps(&change, reach) => last.add(number, change, reach),
            _ => {
                let mut cluster = Cluster { base: change.base.clone(), reach, sides: [None, None] };
                cluster.add(number, change, reach);
                found.push(cluster);
            }
        }
    }
    found
}

/// The end of a change; one more if its text ends without LF, because text that the other side adds after it would
/// continue its last line.
fn reach(base: &Segments<'_>, side: Option<&Segments<'_>>, change: &Change) -> usize {
    let text = side.map(|side| side.slice(change.side.clone())).unwrap_or_default();
    let is_open = change.base.end == base.count() && !text.is_empty() && !text.ends_with('\n');
    change.base.end + usize::from(is_open)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{far_deadline, text};
    use super::*;
    use proptest::prelude::*;

    fn merged(base: &str, first: &str, second: &str) -> Option<String> {
        match merge(base, first, second, far_deadline()) {
            MergeResult::Merged(text) => Some(text),
            MergeResult::Conflicts(_) => None,
        }
    }

    #[test]
    fn changes_of_different_lines_are_all_applied() {
        assert_eq!(merged("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n").unwrap(), "A\nb\nC\n");
        assert_eq!(merged("a\nb\n", "A\nb\n", "a\nB\n").unwrap(), "A\nB\n");
        assert_eq!(merged("a\nb\n", "x\na\nb\n", "a\n").unwrap(), "x\na\n");
        assert_eq!(merged("a\nb\n", "a\nx\nb\n", "a\nB\n").unwrap(), "a\nx\nB\n");
    }

    #[test]
    fn conflicts_have_the_lines_of_each_text() {
        let MergeResult::Conflicts(conflicts) =
            merge("a\nb\nc\nd\n", "0\na\nB\nc\nd\n", "a\nb1\nb2\nc\nD\n", far_deadline())
        else {
            panic!("merged");
        };
        assert_eq!(conflicts, [Conflict { base: 1..2, first: 2..3, second: 1..3 }]);
    }

    #[test]
    fn different_insertions_at_one_place_conflict() {
        assert_eq!(merged("a\n", "a\nx\n", "a\ny\n"), None);
        assert_eq!(merged("", "x\n", "y\n"), None);
        assert_eq!(merged("a\n", "a\nx\n", "a\nx\n").unwrap(), "a\nx\n");
    }

    #[test]
    fn text_after_a_last_line_without_lf_conflicts() {
        assert_eq!(merged("a\nb\n", "a\nb", "a\nb\nc\n"), None);
        assert_eq!(merged("a\nb", "a\nb2", "x\na\nb").unwrap(), "x\na\nb2");
    }

    /// A change of one line.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum LineChange {
        Keep,
        Replace,
        Delete,
    }

    fn line_changes() -> impl Strategy<Value = Vec<(LineChange, LineChange)>> {
        use LineChange::{Delete, Keep, Replace};
        let line_change = || prop_oneof![3 => Just(Keep), 1 => Just(Replace), 1 => Just(Delete)];
        proptest::collection::vec((line_change(), line_change()), 0..12)
    }

    /// The text of a side. All lines are different, so that its changes are unambiguous.
    fn side(line_changes: impl Iterator<Item = LineChange>, name: &str) -> String {
        let lines = line_changes.enumerate().map(|(number, change)| match change {
            LineChange::Keep => format!("{number}\n"),
            LineChange::Replace => format!("{number} by {name}\n"),
            LineChange::Delete => String::new(),
        });
        lines.collect()
    }

    proptest! {
        #[test]
        fn disjoint_changes_are_applied_and_others_conflict(line_changes in line_changes()) {
            let base: String = (0..line_changes.len()).map(|number| format!("{number}\n")).collect();
            let first = side(line_changes.iter().map(|(first, _)| *first), "first");
            let second = side(line_changes.iter().map(|(_, second)| *second), "second");
            let both = line_changes.iter().any(|(first, second)| *first != LineChange::Keep && *second != LineChange::Keep);
            let result = merged(&base, &first, &second);
            if both {
                // Equal changes are only deletions of the same lines.
                let are_equal = line_changes.iter().all(|(first, second)| {
                    *first == LineChange::Keep
                        || *second == LineChange::Keep
                        || (*first == LineChange::Delete && *second == LineChange::Delete)
                });
                prop_assert!(result.is_none() || are_equal);
            } else {
                let expected: String = line_changes.iter().enumerate().map(|(number, (first, second))| {
                    match if *first == LineChange::Keep { second } else { first } {
                        LineChange::Keep => format!("{number}\n"),
                        LineChange::Replace if *first == LineChange::Replace => format!("{number} by first\n"),
                        LineChange::Replace => format!("{number} by second\n"),
                        LineChange::Delete => String::new(),
                    }
                }).collect();
                prop_assert_eq!(result, Some(expected));
            }
        }

        #[test]
        fn changes_of_one_side_are_applied_as_they_are(base in text(), side in text()) {
            prop_assert_eq!(merged(&base, &side, &base), Some(side.clone()));
            prop_assert_eq!(merged(&base, &base, &side), Some(side.clone()));
            prop_assert_eq!(merged(&base, &side, &side), Some(side));
        }

        #[test]
        fn the_order_of_the_sides_does_not_matter(base in text(), first in text(), second in text()) {
            let swapped = match merge(&base, &second, &first, far_deadline()) {
                MergeResult::Conflicts(conflicts) => MergeResult::Conflicts(
                    conflicts.into_iter().map(|c| Conflict { first: c.second, second: c.first, ..c }).collect(),
                ),
                merged => merged,
            };
            prop_assert_eq!(merge(&base, &first, &second, far_deadline()), swapped);
        }

        #[test]
        fn conflicting_lines_differ_in_all_texts(base in text(), first in text(), second in text()) {
            let MergeResult::Conflicts(conflicts) = merge(&base, &first, &second, far_deadline()) else { return Ok(()) };
            let [base, first, second] = [&base, &first, &second].map(|text| Segments::lines(text));
            for conflict in conflicts {
                let texts = [base.slice(conflict.base), first.slice(conflict.first), second.slice(conflict.second)];
                prop_assert!(texts[1] != texts[2] && texts[0] != texts[1] && texts[0] != texts[2]);
            }
        }
    }
}
