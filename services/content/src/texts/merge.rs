//! Three-way merge of lines: two sides have changed the same base, and both want to be kept.
//!
//! Changes that do not overlap are all applied. Two overlap if they replace a common line of the base, if one
//! inserts between two lines that the other replaces, or if both insert at the same place, for then nobody can
//! tell which comes first. The same change on both sides is one change. What overlaps is a conflict.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::Instant;

use super::{Change, Pieces, changes};

/// What became of two changed texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// One text with all changes.
    Whole(String),
    /// Where they overlap, in order; at least one.
    Conflicting(Vec<Conflict>),
}

/// Lines that both sides have changed, each in its own way. Lines are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Lines of the base.
    pub base: Range<usize>,
    /// The lines of the first side that stand there now.
    pub head: Range<usize>,
    /// The lines of the second side that stand there now.
    pub mine: Range<usize>,
}

/// Merges two sides of a base.
pub fn merge(base: &str, head: &str, mine: &str, deadline: Instant) -> Merged {
    let [base, head, mine] = [base, head, mine].map(Pieces::lines);
    let clusters = clusters(&base, [&head, &mine], deadline);
    let mut conflicts = Vec::new();
    let (mut whole, mut at) = (String::new(), 0);
    for cluster in &clusters {
        let [of_head, of_mine] = [0, 1].map(|side| cluster.lines_of(side));
        let (head_text, mine_text) = (head.slice(of_head.clone()), mine.slice(of_mine.clone()));
        whole.push_str(base.slice(at..cluster.base.start));
        at = cluster.base.end;
        match cluster.changed() {
            [true, false] => whole.push_str(head_text),
            [false, true] => whole.push_str(mine_text),
            _ if head_text == mine_text => whole.push_str(head_text),
            _ => conflicts.push(Conflict { base: cluster.base.clone(), head: of_head, mine: of_mine }),
        }
    }
    whole.push_str(base.slice(at..base.count()));
    if conflicts.is_empty() { Merged::Whole(whole) } else { Merged::Conflicting(conflicts) }
}

/// Lines of the base, and the changes of both sides that lie in them and hang together.
#[derive(Debug)]
struct Cluster {
    base: Range<usize>,
    /// Where the last change reaches to, for telling whether the next one overlaps.
    reach: usize,
    /// First and last change of each side, if it has any here.
    sides: [Option<(Change, Change)>; 2],
}

impl Cluster {
    /// Which sides have changed something here.
    fn changed(&self) -> [bool; 2] {
        [0, 1].map(|side| self.sides.get(side).is_some_and(Option::is_some))
    }

    /// The lines of a side that has changed something here, where the base's lines stood.
    fn lines_of(&self, side: usize) -> Range<usize> {
        let Some(Some((first, last))) = self.sides.get(side) else { return 0..0 };
        let before = first.base.start - self.base.start;
        let after = self.base.end - last.base.end;
        first.side.start.saturating_sub(before)..last.side.end + after
    }

    fn take(&mut self, side: usize, change: Change, reach: usize) {
        self.base.start = self.base.start.min(change.base.start);
        self.base.end = self.base.end.max(change.base.end);
        self.reach = self.reach.max(reach);
        match self.sides.get_mut(side) {
            Some(Some((_, last))) => *last = change,
            Some(none) => *none = Some((change.clone(), change)),
            None => {}
        }
    }

    /// Whether a change that begins no earlier than this cluster overlaps it.
    fn overlaps(&self, change: &Change, reach: usize) -> bool {
        let crossing = change.base.start < self.reach && self.base.start < reach;
        crossing || (self.base == change.base)
    }
}

/// The changes of both sides in the order of the base, gathered where they overlap.
fn clusters(base: &Pieces<'_>, sides: [&Pieces<'_>; 2], deadline: Instant) -> Vec<Cluster> {
    let mut all: Vec<(usize, Change)> = Vec::new();
    for (number, side) in sides.into_iter().enumerate() {
        all.extend(changes(base, side, deadline).into_iter().map(|change| (number, change)));
    }
    // Popped from the end: the earliest first, and of those that begin together the shortest.
    all.sort_by_key(|(_, change)| Reverse((change.base.start, change.base.end)));
    let mut found: Vec<Cluster> = Vec::new();
    while let Some((number, change)) = all.pop() {
        let reach = reach(base, sides.get(number).copied(), &change);
        match found.last_mut() {
            Some(last) if last.overlaps(&change, reach) => last.take(number, change, reach),
            _ => {
                let mut cluster = Cluster { base: change.base.clone(), reach, sides: [None, None] };
                cluster.take(number, change, reach);
                found.push(cluster);
            }
        }
    }
    found
}

/// The end of a change; one further if it leaves the text without a last LF: what another adds after it would
/// run into its last line.
fn reach(base: &Pieces<'_>, side: Option<&Pieces<'_>>, change: &Change) -> usize {
    let text = side.map(|side| side.slice(change.side.clone())).unwrap_or_default();
    let is_open = change.base.end == base.count() && !text.is_empty() && !text.ends_with('\n');
    change.base.end + usize::from(is_open)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{no_hurry, text};
    use super::*;
    use proptest::prelude::*;

    fn whole(base: &str, head: &str, mine: &str) -> Option<String> {
        match merge(base, head, mine, no_hurry()) {
            Merged::Whole(text) => Some(text),
            Merged::Conflicting(_) => None,
        }
    }

    #[test]
    fn changes_of_different_lines_are_all_applied() {
        assert_eq!(whole("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n").unwrap(), "A\nb\nC\n");
        assert_eq!(whole("a\nb\n", "A\nb\n", "a\nB\n").unwrap(), "A\nB\n");
        assert_eq!(whole("a\nb\n", "x\na\nb\n", "a\n").unwrap(), "x\na\n");
        assert_eq!(whole("a\nb\n", "a\nx\nb\n", "a\nB\n").unwrap(), "a\nx\nB\n");
    }

    #[test]
    fn what_overlaps_is_named_with_its_lines() {
        let Merged::Conflicting(conflicts) =
            merge("a\nb\nc\nd\n", "0\na\nB\nc\nd\n", "a\nb1\nb2\nc\nD\n", no_hurry())
        else {
            panic!("merged");
        };
        assert_eq!(conflicts, [Conflict { base: 1..2, head: 2..3, mine: 1..3 }]);
    }

    #[test]
    fn two_insertions_at_one_place_have_no_order() {
        assert_eq!(whole("a\n", "a\nx\n", "a\ny\n"), None);
        assert_eq!(whole("", "x\n", "y\n"), None);
        assert_eq!(whole("a\n", "a\nx\n", "a\nx\n").unwrap(), "a\nx\n");
    }

    #[test]
    fn nothing_runs_into_a_last_line_without_an_end() {
        assert_eq!(whole("a\nb\n", "a\nb", "a\nb\nc\n"), None);
        assert_eq!(whole("a\nb", "a\nb2", "x\na\nb").unwrap(), "x\na\nb2");
    }

    /// What is done with one line of the base.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Deed {
        Keep,
        Replace,
        Delete,
    }

    fn deeds() -> impl Strategy<Value = Vec<(Deed, Deed)>> {
        use Deed::{Delete, Keep, Replace};
        let deed = || prop_oneof![3 => Just(Keep), 1 => Just(Replace), 1 => Just(Delete)];
        proptest::collection::vec((deed(), deed()), 0..12)
    }

    /// A side's text. Every line is unlike any other, so that there is one way to read the change.
    fn side(deeds: impl Iterator<Item = Deed>, name: &str) -> String {
        let lines = deeds.enumerate().map(|(number, deed)| match deed {
            Deed::Keep => format!("{number}\n"),
            Deed::Replace => format!("{number} by {name}\n"),
            Deed::Delete => String::new(),
        });
        lines.collect()
    }

    proptest! {
        #[test]
        fn disjoint_edits_are_both_applied_and_others_conflict(deeds in deeds()) {
            let base: String = (0..deeds.len()).map(|number| format!("{number}\n")).collect();
            let head = side(deeds.iter().map(|(head, _)| *head), "head");
            let mine = side(deeds.iter().map(|(_, mine)| *mine), "mine");
            let both = deeds.iter().any(|(head, mine)| *head != Deed::Keep && *mine != Deed::Keep);
            let merged = whole(&base, &head, &mine);
            if both {
                // Alike only if both have done nothing but delete the same lines.
                let alike = deeds.iter().all(|(head, mine)| {
                    *head == Deed::Keep || *mine == Deed::Keep || (*head == Deed::Delete && *mine == Deed::Delete)
                });
                prop_assert!(merged.is_none() || alike);
            } else {
                let expected: String = deeds.iter().enumerate().map(|(number, (head, mine))| {
                    match if *head == Deed::Keep { mine } else { head } {
                        Deed::Keep => format!("{number}\n"),
                        Deed::Replace if *head == Deed::Replace => format!("{number} by head\n"),
                        Deed::Replace => format!("{number} by mine\n"),
                        Deed::Delete => String::new(),
                    }
                }).collect();
                prop_assert_eq!(merged, Some(expected));
            }
        }

        #[test]
        fn one_side_alone_is_taken_as_it_is(base in text(), side in text()) {
            prop_assert_eq!(whole(&base, &side, &base), Some(side.clone()));
            prop_assert_eq!(whole(&base, &base, &side), Some(side.clone()));
            prop_assert_eq!(whole(&base, &side, &side), Some(side));
        }

        #[test]
        fn it_does_not_matter_who_is_first(base in text(), head in text(), mine in text()) {
            let swapped = match merge(&base, &mine, &head, no_hurry()) {
                Merged::Conflicting(conflicts) => Merged::Conflicting(
                    conflicts.into_iter().map(|c| Conflict { head: c.mine, mine: c.head, ..c }).collect(),
                ),
                whole => whole,
            };
            prop_assert_eq!(merge(&base, &head, &mine, no_hurry()), swapped);
        }

        #[test]
        fn conflicts_tell_the_lines_that_differ(base in text(), head in text(), mine in text()) {
            let Merged::Conflicting(conflicts) = merge(&base, &head, &mine, no_hurry()) else { return Ok(()) };
            let [base, head, mine] = [&base, &head, &mine].map(|text| Pieces::lines(text));
            for conflict in conflicts {
                let texts = [base.slice(conflict.base), head.slice(conflict.head), mine.slice(conflict.mine)];
                prop_assert!(texts[1] != texts[2] && texts[0] != texts[1] && texts[0] != texts[2]);
            }
        }
    }
}
