//! How one text becomes another, as hunks: changed lines with some unchanged ones around them.

use std::ops::Range;
use std::time::Instant;

use similar::{DiffOp, DiffTag, group_diff_ops};

use super::Pieces;

/// How finely changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole lines.
    Lines,
    /// Within changed lines, words.
    Words,
}

/// What became of a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeTag {
    /// It is in both.
    Same,
    /// It is only in the old text.
    Deleted,
    /// It is only in the new text.
    Inserted,
}

/// A part of a text and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'t> {
    /// What became of it.
    pub fate: ChangeTag,
    /// The text; never empty.
    pub text: &'t str,
}

/// Lines that changed together. The parts that are not inserted make the old lines, those that are not deleted
/// the new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'t> {
    /// Lines of the old text, counted from 0.
    pub from: Range<usize>,
    /// Lines of the new text, counted from 0.
    pub to: Range<usize>,
    /// In order.
    pub parts: Vec<Part<'t>>,
}

/// All that differs between two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff<'t> {
    /// In the order of the lines.
    pub hunks: Vec<Hunk<'t>>,
    /// Lines that are only in the old text.
    pub deleted: usize,
    /// Lines that are only in the new text.
    pub inserted: usize,
}

/// Tells how one text becomes another, each hunk with so many unchanged lines before and after it, if there are so
/// many.
pub fn diff<'t>(from: &'t str, to: &'t str, unit: Unit, context: usize, deadline: Instant) -> Diff<'t> {
    let (old, new) = (Pieces::lines(from), Pieces::lines(to));
    let ops = old.compare(&new, deadline);
    let changed = || ops.iter().filter(|op| op.tag() != DiffTag::Equal);
    let deleted = changed().map(|op| op.old_range().len()).sum();
    let inserted = changed().map(|op| op.new_range().len()).sum();
    let groups = group_diff_ops(ops, context);
    let hunks = groups.iter().filter_map(|ops| hunk(&old, &new, ops, unit, deadline)).collect();
    Diff { hunks, deleted, inserted }
}

fn hunk<'t>(
    old: &Pieces<'t>,
    new: &Pieces<'t>,
    ops: &[DiffOp],
    unit: Unit,
    deadline: Instant,
) -> Option<Hunk<'t>> {
    let (first, last) = (ops.first()?, ops.last()?);
    let mut parts = Vec::new();
    for op in ops {
        let (deleted, inserted) = (old.slice(op.old_range()), new.slice(op.new_range()));
        match op.tag() {
            DiffTag::Replace if unit == Unit::Words => words(deleted, inserted, deadline, &mut parts),
            _ => add(op.tag(), deleted, inserted, &mut parts),
        }
    }
    Some(Hunk {
        from: first.old_range().start..last.old_range().end,
        to: first.new_range().start..last.new_range().end,
        parts,
    })
}

fn words<'t>(deleted: &'t str, inserted: &'t str, deadline: Instant, parts: &mut Vec<Part<'t>>) {
    let (old, new) = (Pieces::words(deleted), Pieces::words(inserted));
    for op in old.compare(&new, deadline) {
        add(op.tag(), old.slice(op.old_range()), new.slice(op.new_range()), parts);
    }
}

fn add<'t>(tag: DiffTag, old: &'t str, new: &'t str, parts: &mut Vec<Part<'t>>) {
    let fates: &[(ChangeTag, &'t str)] = match tag {
        DiffTag::Equal => &[(ChangeTag::Same, old)],
        DiffTag::Delete => &[(ChangeTag::Deleted, old)],
        DiffTag::Insert => &[(ChangeTag::Inserted, new)],
        DiffTag::Replace => &[(ChangeTag::Deleted, old), (ChangeTag::Inserted, new)],
    };
    // A hunk without lines around it has unchanged parts of no length.
    let some = fates.iter().filter(|(_, text)| !text.is_empty());
    parts.extend(some.map(|(fate, text)| Part { fate: *fate, text }));
}

#[cfg(test)]
mod tests {
    use super::super::samples::{no_hurry, text};
    use super::*;
    use proptest::prelude::*;

    /// The new text, made of the old one and the hunks alone.
    fn apply(from: &str, hunks: &[Hunk<'_>]) -> String {
        let old = Pieces::lines(from);
        let (mut made, mut at) = (String::new(), 0);
        for hunk in hunks {
            made.push_str(old.slice(at..hunk.from.start));
            made.extend(
                hunk.parts.iter().filter(|part| part.fate != ChangeTag::Deleted).map(|part| part.text),
            );
            at = hunk.from.end;
        }
        made.push_str(old.slice(at..old.count()));
        made
    }

    proptest! {
        #[test]
        fn hunks_make_the_new_text_of_the_old(from in text(), to in text(), context in 0_usize..4) {
            for unit in [Unit::Lines, Unit::Words] {
                let hunks = diff(&from, &to, unit, context, no_hurry()).hunks;
                prop_assert_eq!(apply(&from, &hunks), to.clone());
                let old = Pieces::lines(&from);
                for hunk in hunks {
                    let kept = hunk.parts.iter().filter(|part| part.fate != ChangeTag::Inserted);
                    prop_assert_eq!(kept.map(|part| part.text).collect::<String>(), old.slice(hunk.from));
                    prop_assert!(hunk.parts.iter().all(|part| !part.text.is_empty()));
                }
            }
        }

        #[test]
        fn the_same_text_has_no_hunks(text in text()) {
            prop_assert_eq!(diff(&text, &text, Unit::Lines, 3, no_hurry()).hunks, []);
        }
    }

    #[test]
    fn words_are_told_within_changed_lines() {
        let found = diff("one\nthe red fox\n", "one\nthe blue fox\n", Unit::Words, 0, no_hurry());
        let hunk = &found.hunks[0];
        let parts: Vec<_> = hunk.parts.iter().map(|part| (part.fate, part.text)).collect();
        use ChangeTag::{Deleted, Inserted, Same};
        assert_eq!(parts, [(Same, "the "), (Deleted, "red"), (Inserted, "blue"), (Same, " fox\n")]);
        assert_eq!((hunk.from.clone(), hunk.to.clone(), found.deleted, found.inserted), (1..2, 1..2, 1, 1));
    }
}
