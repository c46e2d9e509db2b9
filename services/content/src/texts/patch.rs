//! Patches: replacements of lines of a base text. A patch applies at its line numbers or not at all.

use std::ops::Range;

use super::Segments;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineEdit {
    /// Lines of the base to replace, from 0; an empty range inserts before its line.
    pub lines: Range<usize>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("it is not a unified diff: {0}")]
    Malformed(String),
    #[error("it has no change")]
    Empty,
    #[error("line {line} of the base is {found:?}, but the patch expects {expected:?}")]
    LineMismatch {
        /// From 1.
        line: usize,
        found: String,
        expected: String,
    },
    #[error("line {line} is beyond the end of the base, which has {count} lines")]
    LineOutOfRange {
        /// From 1.
        line: usize,
        count: usize,
    },
    #[error("the edit of line {line} overlaps the one before it or is out of order")]
    Overlap {
        /// From 1.
        line: usize,
    },
}

impl PatchError {
    /// The line of the base, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Malformed(_) | Self::Empty => None,
            Self::LineMismatch { line, .. } | Self::LineOutOfRange { line, .. } | Self::Overlap { line } => {
                Some(*line)
            }
        }
    }
}

const QUOTED_CHARS: usize = 80;

/// Replaces lines of a text.
pub fn apply(base: &str, edits: &[LineEdit]) -> Result<String, PatchError> {
    let lines = Segments::lines(base);
    let count = lines.count();
    let (mut patched, mut at) = (String::with_capacity(base.len()), 0);
    for LineEdit { lines: range, text } in edits {
        if range.end > count {
            return Err(PatchError::LineOutOfRange {
                line: range.end.max(range.start.saturating_add(1)),
                count,
            });
        }
        if range.start < at {
            return Err(PatchError::Overlap { line: range.start + 1 });
        }
        patched.push_str(lines.slice(at..range.start));
        patched.push_str(text);
        at = range.end;
    }
    patched.push_str(lines.slice(at..count));
    Ok(patched)
}

/// Applies a unified diff, whose context and deleted lines must equal those of the base.
pub fn apply_unified(base: &str, diff: &str) -> Result<String, PatchError> {
    let patch = diffy::Patch::from_str(diff).map_err(|error| PatchError::Malformed(error.to_string()))?;
    let lines = Segments::lines(base);
    let mut edits = Vec::new();
    for hunk in patch.hunks() {
        let old = hunk.old_range();
        // An empty range has the line before it.
        let mut at = if old.is_empty() { old.start() } else { old.start().saturating_sub(1) };
        for line in hunk.lines() {
            let (end, text) = match *line {
                diffy::Line::Insert(text) => (at, text),
                diffy::Line::Context(expected) | diffy::Line::Delete(expected) => {
                    require_line(&lines, at, expected)?;
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

fn require_line(lines: &Segments<'_>, index: usize, expected: &str) -> Result<(), PatchError> {
    match lines.get(index) {
        None => Err(PatchError::LineOutOfRange { line: index.saturating_add(1), count: lines.count() }),
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(PatchError::LineMismatch {
            line: index + 1,
            found: quoted(found),
            expected: quoted(expected),
        }),
    }
}

fn quoted(line: &str) -> String {
    line.chars().take(QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::diff::{Unit, diff};
    use super::super::samples::{far_deadline, text};
    use super::super::unified;
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn applying_a_diff_results_in_the_new_text(from in text(), to in text(), context in 0_usize..4) {
            let mut unified = String::new();
            for hunk in diff(&from, &to, Unit::Lines, context, far_deadline()).hunks {
                unified::write(&hunk, &mut unified);
            }
            match apply_unified(&from, &unified) {
                Ok(patched) => prop_assert_eq!(patched, to),
                Err(error) => prop_assert!(error == PatchError::Empty && from == to, "{error}: {unified:?}"),
            }
        }

        #[test]
        fn arbitrary_text_never_panics(base in text(), diff in "[-+ @,0-9a\n\\\\]{0,60}") {
            let _result = apply_unified(&base, &diff);
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
    fn errors_name_the_line_and_the_reason() {
        let message = |outcome: Result<String, PatchError>| outcome.unwrap_err().to_string();
        let base = "a\nb\n";
        expect!["line 3 is beyond the end of the base, which has 2 lines"]
            .assert_eq(&message(apply(base, &[edit(1..3, "")])));
        expect!["the edit of line 1 overlaps the one before it or is out of order"]
            .assert_eq(&message(apply(base, &[edit(1..2, ""), edit(0..1, "")])));
        expect![[r#"line 2 of the base is "b\n", but the patch expects "x\n""#]]
            .assert_eq(&message(apply_unified(base, "@@ -1,2 +1,1 @@\n a\n-x\n")));
        expect!["line 3 is beyond the end of the base, which has 2 lines"]
            .assert_eq(&message(apply_unified(base, "@@ -2,2 +2,1 @@\n b\n-c\n")));
        expect!["it has no change"].assert_eq(&message(apply_unified(base, "just words\n")));
        assert!(message(apply_unified(base, "@@ nonsense\n")).starts_with("it is not a unified diff"));
    }
}
