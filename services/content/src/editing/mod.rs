//! Concurrent edits of a content. An edit names the version that it was made on, its base, and is merged with the
//! changes since. Nothing is lost: an edit that conflicts is rejected with all sides of the conflict.

pub(crate) mod rpc;
pub(crate) mod wire;

use std::time::Instant;

use crate::documents::MAX_CONTENT_BYTES;
use crate::texts::Segments;
use crate::texts::merge::{self, MergeResult};
use crate::texts::patch::{self, LineEdit, PatchError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    Append(String),
    Prepend(String),
    /// An edit of the version with this number.
    OfBase(i32, BaseEdit),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseEdit {
    Replacement(String),
    UnifiedDiff(String),
    LineEdits(Vec<LineEdit>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditOutcome {
    /// The merged content.
    Content(String),
    /// In the order of the lines.
    Conflicts(Vec<ConflictHunk>),
}

/// Lines that were changed both since the base and by the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictHunk {
    pub base: ConflictLines,
    pub head: ConflictLines,
    pub edit: ConflictLines,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictLines {
    /// From 0.
    pub first: usize,
    pub count: usize,
    pub text: String,
}

/// Why an edit cannot be applied, independent of other changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the patch does not apply to the base version: {0}")]
    Patch(#[from] PatchError),
    #[error("the content would be larger than 2 MiB")]
    TooLarge,
}

impl Edit {
    /// The version that the edit was made on.
    pub fn base(&self) -> Option<i32> {
        match self {
            Self::Append(_) | Self::Prepend(_) => None,
            Self::OfBase(base, _) => Some(*base),
        }
    }

    /// Applies the edit to the newest content. `base` is the content of the base version if that is an older one.
    pub fn apply(self, head: &str, base: Option<&str>, deadline: Instant) -> Result<EditOutcome, EditError> {
        let outcome = match self {
            Self::Append(text) => EditOutcome::Content([head, &text].concat()),
            Self::Prepend(text) => EditOutcome::Content([&text, head].concat()),
            Self::OfBase(_, edit) => {
                let edited = edit.apply(base.unwrap_or(head))?;
                match base {
                    None => EditOutcome::Content(edited),
                    Some(base) => merge(base, head, &edited, deadline),
                }
            }
        };
        match outcome {
            EditOutcome::Content(content) if content.len() > MAX_CONTENT_BYTES => Err(EditError::TooLarge),
            outcome => Ok(outcome),
        }
    }
}

impl BaseEdit {
    fn apply(self, base: &str) -> Result<String, PatchError> {
        match self {
            Self::Replacement(text) => Ok(text),
            Self::UnifiedDiff(diff) => patch::apply_unified(base, &diff),
            Self::LineEdits(edits) => patch::apply(base, &edits),
        }
    }
}

fn merge(base: &str, head: &str, edited: &str, deadline: Instant) -> EditOutcome {
    let conflicts = match merge::merge(base, head, edited, deadline) {
        MergeResult::Merged(content) => return EditOutcome::Content(content),
        MergeResult::Conflicts(conflicts) => conflicts,
    };
    let [base, head, edited] = [base, head, edited].map(Segments::lines);
    let lines = |segments: &Segments<'_>, range: std::ops::Range<usize>| ConflictLines {
        first: range.start,
        count: range.len(),
        text: segments.slice(range).to_owned(),
    };
    let hunks = conflicts.into_iter().map(|conflict| ConflictHunk {
        base: lines(&base, conflict.base),
        head: lines(&head, conflict.first),
        edit: lines(&edited, conflict.second),
    });
    EditOutcome::Conflicts(hunks.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::samples::far_deadline;

    fn replace(text: &str) -> Edit {
        Edit::OfBase(1, BaseEdit::Replacement(text.to_owned()))
    }

    #[test]
    fn an_edit_of_the_newest_version_is_applied_as_it_is() {
        let outcome = replace("b\n").apply("a\n", None, far_deadline());
        assert_eq!(outcome, Ok(EditOutcome::Content("b\n".to_owned())));
    }

    #[test]
    fn a_patch_is_applied_to_its_base_and_merged_with_the_newest_version() {
        let line = LineEdit { lines: 2..3, text: "C\n".to_owned() };
        let edit = Edit::OfBase(1, BaseEdit::LineEdits(vec![line]));
        let outcome = edit.apply("A\nb\nc\n", Some("a\nb\nc\n"), far_deadline());
        assert_eq!(outcome, Ok(EditOutcome::Content("A\nb\nC\n".to_owned())));
    }

    #[test]
    fn append_and_prepend_never_conflict() {
        let appended = Edit::Append("z".to_owned()).apply("changed", None, far_deadline());
        assert_eq!(appended, Ok(EditOutcome::Content("changedz".to_owned())));
        let prepended = Edit::Prepend("z".to_owned()).apply("changed", None, far_deadline());
        assert_eq!(prepended, Ok(EditOutcome::Content("zchanged".to_owned())));
    }

    #[test]
    fn a_conflict_has_all_three_sides() {
        let outcome = replace("a\nmine\nc\n").apply("0\na\nhead\nc\n", Some("a\nb\nc\n"), far_deadline());
        let lines = |first, text: &str| ConflictLines { first, count: 1, text: text.to_owned() };
        let hunk = ConflictHunk { base: lines(1, "b\n"), head: lines(2, "head\n"), edit: lines(1, "mine\n") };
        assert_eq!(outcome, Ok(EditOutcome::Conflicts(vec![hunk])));
    }

    #[test]
    fn a_content_that_would_be_too_large_is_refused() {
        let head = "x".repeat(MAX_CONTENT_BYTES);
        let outcome = Edit::Append("y".to_owned()).apply(&head, None, far_deadline());
        assert_eq!(outcome, Err(EditError::TooLarge));
    }
}
