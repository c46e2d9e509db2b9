//! Diffs as hunks: changed lines with unchanged lines around them.

use std::ops::Range;
use std::time::Instant;

use similar::{DiffOp, DiffTag, group_diff_ops};

use super::Segments;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Lines,
    /// Words within changed lines.
    Words,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeTag {
    Same,
    Deleted,
    Inserted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'t> {
    pub tag: ChangeTag,
    /// Never empty.
    pub text: &'t str,
}

/// Lines that changed together. The parts that are not inserted are the old lines, those that are not deleted the new
/// lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'t> {
    /// Lines of the old text, from 0.
    pub old: Range<usize>,
    /// Lines of the new text, from 0.
    pub new: Range<usize>,
    pub parts: Vec<Part<'t>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff<'t> {
    pub hunks: Vec<Hunk<'t>>,
    pub deleted_lines: usize,
    pub inserted_lines: usize,
}

/// Compares two texts. Each hunk has up to `context_lines` unchanged lines before and after its changes.
pub fn diff<'t>(old: &'t str, new: &'t str, unit: Unit, context_lines: usize, deadline: Instant) -> Diff<'t> {
    let (old, new) = (Segments::lines(old), Segments::lines(new));
    let ops = old.compare(&new, deadline);
    let changed = || ops.iter().filter(|op| op.tag() != DiffTag::Equal);
    let deleted_lines = changed().map(|op| op.old_range().len()).sum();
    let inserted_lines = changed().map(|op| op.new_range().len()).sum();
    let groups = group_diff_ops(ops, context_lines);
    let hunks = groups.iter().filter_map(|ops| hunk(&old, &new, ops, unit, deadline)).collect();
    Diff { hunks, deleted_lines, inserted_lines }
}

fn hunk<'t>(
    old: &Segments<'t>,
    new: &Segments<'t>,
    ops: &[DiffOp],
    unit: Unit,
    deadline: Instant,
) -> Option<Hunk<'t>> {
    let (first, last) = (ops.first()?, ops.last()?);
    let mut parts = Vec::new();
    for op in ops {
        let (deleted, inserted) = (old.slice(op.old_range()), new.slice(op.new_range()));
        match op.tag() {
            DiffTag::Replace if unit == Unit::Words => add_words(deleted, inserted, deadline, &mut parts),
            _ => add_parts(op.tag(), deleted, inserted, &mut parts),
        }
    }
    Some(Hunk {
        old: first.old_range().start..last.old_range().end,
        new: first.new_range().start..last.new_range().end,
        parts,
    })
}

fn add_words<'t>(deleted: &'t str, inserted: &'t str, deadline: Instant, parts: &mut Vec<Part<'t>>) {
    let (old, new) = (Segments::words(deleted), Segments::words(inserted));
    for op in old.compare(&new, deadline) {
        add_parts(op.tag(), old.slice(op.old_range()), new.slice(op.new_range()), parts);
    }
}

fn add_parts<'t>(tag: DiffTag, old: &'t str, new: &'t str, parts: &mut Vec<Part<'t>>) {
    let tagged: &[(ChangeTag, &'t str)] = match tag {
        DiffTag::Equal => &[(ChangeTag::Same, old)],
        DiffTag::Delete => &[(ChangeTag::Deleted, old)],
        DiffTag::Insert => &[(ChangeTag::Inserted, new)],
        DiffTag::Replace => &[(ChangeTag::Deleted, old), (ChangeTag::Inserted, new)],
    };
    // Without context lines, a hunk has empty unchanged parts.
    let parts_with_text = tagged.iter().filter(|(_, text)| !text.is_empty());
    parts.extend(parts_with_text.map(|(tag, text)| Part { tag: *tag, text }));
}

#[cfg(test)]
mod tests {
    use super::super::samples::{far_deadline, text};
    use super::*;
    use proptest::prelude::*;

    /// The new text, from the old text and the hunks.
    fn apply(from: &str, hunks: &[Hunk<'_>]) -> String {
        let old = Segments::lines(from);
        let (mut made, mut at) = (String::new(), 0);
        for hunk in hunks {
            made.push_str(old.slice(at..hunk.old.start));
            made.extend(
                hunk.parts.iter().filter(|part| part.tag != ChangeTag::Deleted).map(|part| part.text),
            );
            at = hunk.old.end;
        }
        made.push_str(old.slice(at..old.count()));
        made
    }

    proptest! {
        #[test]
        fn hunks_turn_the_old_text_into_the_new(from in text(), to in text(), context in 0_usize..4) {
            for unit in [Unit::Lines, Unit::Words] {
                let hunks = diff(&from, &to, unit, context, far_deadline()).hunks;
                prop_assert_eq!(apply(&from, &hunks), to.clone());
                let old = Segments::lines(&from);
                for hunk in hunks {
                    let old_parts = hunk.parts.iter().filter(|part| part.tag != ChangeTag::Inserted);
                    prop_assert_eq!(old_parts.map(|part| part.text).collect::<String>(), old.slice(hunk.old));
                    prop_assert!(hunk.parts.iter().all(|part| !part.text.is_empty()));
                }
            }
        }

        #[test]
        fn equal_texts_have_no_hunks(text in text()) {
            prop_assert_eq!(diff(&text, &text, Unit::Lines, 3, far_deadline()).hunks, []);
        }
    }

    #[test]
    fn changed_lines_are_compared_by_words() {
        let found = diff("one\nthe red fox\n", "one\nthe blue fox\n", Unit::Words, 0, far_deadline());
        let hunk = &found.hunks[0];
        let parts: Vec<_> = hunk.parts.iter().map(|part| (part.tag, part.text)).collect();
        use ChangeTag::{Deleted, Inserted, Same};
        assert_eq!(parts, [(Same, "the "), (Deleted, "red"), (Inserted, "blue"), (Same, " fox\n")]);
        assert_eq!(
            (hunk.old.clone(), hunk.new.clone(), found.deleted_lines, found.inserted_lines),
            (1..2, 1..2, 1, 1)
        );
    }
}
