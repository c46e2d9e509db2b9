//! Patches: replacements of lines of a text that is known exactly. Nothing is searched for: a patch fits where it
//! says, or is refused with the reason.

use std::ops::Range;

use super::Pieces;

/// Lines that are replaced, and the text that comes in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineEdit {
    /// Lines of the base, counted from 0. Empty: the text goes before the line of that number.
    pub lines: Range<usize>,
    /// The new text.
    pub text: String,
}

/// Why a patch does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is no unified diff.
    #[error("it is not a unified diff: {0}")]
    Malformed(String),
    /// It changes nothing.
    #[error("it holds no change")]
    Empty,
    /// A line of the diff is not the base's.
    #[error("line {line} of the base reads {found:?}, and the patch expects {expected:?}")]
    OtherText {
        /// From 1.
        line: usize,
        /// What stands there.
        found: String,
        /// What the patch says.
        expected: String,
    },
    /// It names lines that the base does not have.
    #[error("line {line} is beyond the end of the base, which has {count} lines")]
    Beyond {
        /// From 1.
        line: usize,
        /// Lines of the base.
        count: usize,
    },
    /// Edits overlap or are not in the order of their lines.
    #[error("the edit of line {line} overlaps the one before it, or stands out of order")]
    OutOfOrder {
        /// From 1.
        line: usize,
    },
}

impl PatchError {
    /// The line of the base, from 1, if one is to blame.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Malformed(_) | Self::Empty => None,
            Self::OtherText { line, .. } | Self::Beyond { line, .. } | Self::OutOfOrder { line } => {
                Some(*line)
            }
        }
    }
}

/// How much of a line is quoted, in characters.
const QUOTED_CHARS: usize = 80;

/// Replaces lines of a text.
///
/// # Errors
/// When lines are not there, or edits overlap or are out of order.
pub fn apply(base: &str, edits: &[LineEdit]) -> Result<String, PatchError> {
    let lines = Pieces::lines(base);
    let count = lines.count();
    let (mut made, mut at) = (String::with_capacity(base.len()), 0);
    for LineEdit { lines: range, text } in edits {
        if range.end > count {
            return Err(PatchError::Beyond { line: range.end.max(range.start + 1), count });
        }
        if range.start < at {
            return Err(PatchError::OutOfOrder { line: range.start + 1 });
        }
        made.push_str(lines.slice(at..range.start));
        made.push_str(text);
        at = range.end;
    }
    made.push_str(lines.slice(at..count));
    Ok(made)
}

/// Applies a unified diff, of which every unchanged and every deleted line must be the base's.
///
/// # Errors
/// When it is none, or does not fit.
pub fn apply_unified(base: &str, diff: &str) -> Result<String, PatchError> {
    let patch = diffy::Patch::from_str(diff).map_err(|error| PatchError::Malformed(error.to_string()))?;
    let lines = Pieces::lines(base);
    let mut edits = Vec::new();
    for hunk in patch.hunks() {
        let old = hunk.old_range();
        // A range without lines names the line before it.
        let mut at = if old.is_empty() { old.start() } else { old.start().saturating_sub(1) };
        for line in hunk.lines() {
            let (end, text) = match *line {
                diffy::Line::Insert(text) => (at, text),
                diffy::Line::Context(expected) | diffy::Line::Delete(expected) => {
                    require(&lines, at, expected)?;
                    (at + 1, if matches!(line, diffy::Line::Context(_)) { expected } else { "" })
                }
            };
            edits.push(LineEdit { lines: at..end, text: text.to_owned() });
            at = end;
        }
    }
    if edits.is_empty() {
        return Err(PatchError::Empty);
    }
    apply(base, &edits)
}

fn require(lines: &Pieces<'_>, index: usize, expected: &str) -> Result<(), PatchError> {
    match lines.get(index) {
        None => Err(PatchError::Beyond { line: index + 1, count: lines.count() }),
        Some(found) if found == expected => Ok(()),
        Some(found) => {
            Err(PatchError::OtherText { line: index + 1, found: quoted(found), expected: quoted(expected) })
        }
    }
}

fn quoted(line: &str) -> String {
    line.chars().take(QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::diff::{Unit, diff};
    use super::super::samples::{no_hurry, text};
    use super::super::unified;
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_diff_that_is_applied_gives_the_new_text(from in text(), to in text(), context in 0_usize..4) {
            let mut unified = String::new();
            for hunk in diff(&from, &to, Unit::Lines, context, no_hurry()).hunks {
                unified::write(&hunk, &mut unified);
            }
            match apply_unified(&from, &unified) {
                Ok(made) => prop_assert_eq!(made, to),
                Err(misfit) => prop_assert!(misfit == PatchError::Empty && from == to, "{misfit}: {unified:?}"),
            }
        }

        #[test]
        fn garbage_is_refused_and_never_panics(base in text(), diff in "[-+ @,0-9a\n\\\\]{0,60}") {
            let _any = apply_unified(&base, &diff);
        }
    }

    fn edit(lines: Range<usize>, text: &str) -> LineEdit {
        LineEdit { lines, text: text.to_owned() }
    }

    #[test]
    fn lines_are_replaced_deleted_and_inserted() {
        let edits = [edit(0..0, "start\n"), edit(1..2, "B\n"), edit(3..4, ""), edit(4..4, "end")];
        assert_eq!(apply("a\nb\nc\nd\n", &edits).unwrap(), "start\na\nB\nc\nend");
    }

    #[test]
    fn misfits_say_why() {
        let told = |outcome: Result<String, PatchError>| outcome.unwrap_err().to_string();
        let base = "a\nb\n";
        expect!["line 3 is beyond the end of the base, which has 2 lines"]
            .assert_eq(&told(apply(base, &[edit(1..3, "")])));
        expect!["the edit of line 1 overlaps the one before it, or stands out of order"]
            .assert_eq(&told(apply(base, &[edit(1..2, ""), edit(0..1, "")])));
        expect![[r#"line 2 of the base reads "b\n", and the patch expects "x\n""#]]
            .assert_eq(&told(apply_unified(base, "@@ -1,2 +1,1 @@\n a\n-x\n")));
        expect!["line 3 is beyond the end of the base, which has 2 lines"]
            .assert_eq(&told(apply_unified(base, "@@ -2,2 +2,1 @@\n b\n-c\n")));
        expect!["it holds no change"].assert_eq(&told(apply_unified(base, "just words\n")));
        assert!(told(apply_unified(base, "@@ nonsense\n")).starts_with("it is not a unified diff"));
    }
}
