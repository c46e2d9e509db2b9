//! Edits of a document's content by people who do not wait for each other: each names the version it was made on,
//! and is merged with what others have done since. Nothing of anybody's is lost: what cannot be merged is refused
//! with all sides of it.

pub mod rpc;
pub(crate) mod wire;

use std::time::Instant;

use crate::documents::MAX_CONTENT_BYTES;
use crate::texts::Pieces;
use crate::texts::merge::{self, Merged};
use crate::texts::patch::{self, LineEdit, PatchError};

/// What shall be done to a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// This text after its end.
    Append(String),
    /// This text before its beginning.
    Prepend(String),
    /// A change of this version.
    Change(i32, Change),
}

/// A change of a certain version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is the whole new content.
    Replace(String),
    /// As this unified diff says.
    Unified(String),
    /// As these say.
    Lines(Vec<LineEdit>),
}

/// What an edit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The content with all changes.
    Content(String),
    /// Where the edit overlaps what others have done, in order.
    Conflicting(Vec<ConflictHunk>),
}

/// Lines that were changed both since the base and by the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictHunk {
    /// In the version that the edit was made on.
    pub base: Lines,
    /// In the newest version.
    pub head: Lines,
    /// In the edited one.
    pub mine: Lines,
}

/// Some lines of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first, counted from 0.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// What they say.
    pub text: String,
}

/// Why an edit cannot be done, whatever others have done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The patch does not fit the base.
    #[error("the patch does not apply to the base version: {0}")]
    PatchError(#[from] PatchError),
    /// What came of it would be too large.
    #[error("the content would be larger than 2 MiB")]
    TooLarge,
}

impl Edit {
    /// The version that the edit was made on, if it matters.
    pub fn base(&self) -> Option<i32> {
        match self {
            Self::Append(_) | Self::Prepend(_) => None,
            Self::Change(base, _) => Some(*base),
        }
    }

    /// Does the edit to the newest content. `base` is the content that it was made on, if that is another one.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn apply(self, head: &str, base: Option<&str>, deadline: Instant) -> Result<Outcome, Refused> {
        let outcome = match self {
            Self::Append(text) => Outcome::Content([head, &text].concat()),
            Self::Prepend(text) => Outcome::Content([&text, head].concat()),
            Self::Change(_, change) => {
                let mine = change.apply(base.unwrap_or(head))?;
                base.map_or_else(
                    || Outcome::Content(mine.clone()),
                    |base| merged(base, head, &mine, deadline),
                )
            }
        };
        match outcome {
            Outcome::Content(content) if content.len() > MAX_CONTENT_BYTES => Err(Refused::TooLarge),
            outcome => Ok(outcome),
        }
    }
}

impl Change {
    fn apply(self, base: &str) -> Result<String, PatchError> {
        match self {
            Self::Replace(text) => Ok(text),
            Self::Unified(diff) => patch::apply_unified(base, &diff),
            Self::Lines(edits) => patch::apply(base, &edits),
        }
    }
}

fn merged(base: &str, head: &str, mine: &str, deadline: Instant) -> Outcome {
    let conflicts = match merge::merge(base, head, mine, deadline) {
        Merged::Whole(content) => return Outcome::Content(content),
        Merged::Conflicting(conflicts) => conflicts,
    };
    let [base, head, mine] = [base, head, mine].map(Pieces::lines);
    let lines = |pieces: &Pieces<'_>, range: std::ops::Range<usize>| Lines {
        first: range.start,
        count: range.len(),
        text: pieces.slice(range).to_owned(),
    };
    let hunks = conflicts.into_iter().map(|conflict| ConflictHunk {
        base: lines(&base, conflict.base),
        head: lines(&head, conflict.head),
        mine: lines(&mine, conflict.mine),
    });
    Outcome::Conflicting(hunks.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::samples::no_hurry;

    fn replace(text: &str) -> Edit {
        Edit::Change(1, Change::Replace(text.to_owned()))
    }

    #[test]
    fn an_edit_of_the_newest_version_is_taken_as_it_is() {
        let outcome = replace("b\n").apply("a\n", None, no_hurry());
        assert_eq!(outcome, Ok(Outcome::Content("b\n".to_owned())));
    }

    #[test]
    fn a_patch_is_applied_to_its_base_and_merged_with_the_newest_version() {
        let line = LineEdit { lines: 2..3, text: "C\n".to_owned() };
        let edit = Edit::Change(1, Change::Lines(vec![line]));
        let outcome = edit.apply("A\nb\nc\n", Some("a\nb\nc\n"), no_hurry());
        assert_eq!(outcome, Ok(Outcome::Content("A\nb\nC\n".to_owned())));
    }

    #[test]
    fn ends_never_conflict() {
        let appended = Edit::Append("z".to_owned()).apply("changed", None, no_hurry());
        assert_eq!(appended, Ok(Outcome::Content("changedz".to_owned())));
        let prepended = Edit::Prepend("z".to_owned()).apply("changed", None, no_hurry());
        assert_eq!(prepended, Ok(Outcome::Content("zchanged".to_owned())));
    }

    #[test]
    fn a_conflict_has_all_three_texts() {
        let outcome = replace("a\nmine\nc\n").apply("0\na\nhead\nc\n", Some("a\nb\nc\n"), no_hurry());
        let lines = |first, text: &str| Lines { first, count: 1, text: text.to_owned() };
        let hunk = ConflictHunk { base: lines(1, "b\n"), head: lines(2, "head\n"), mine: lines(1, "mine\n") };
        assert_eq!(outcome, Ok(Outcome::Conflicting(vec![hunk])));
    }

    #[test]
    fn what_would_be_too_large_is_refused() {
        let head = "x".repeat(MAX_CONTENT_BYTES);
        let outcome = Edit::Append("y".to_owned()).apply(&head, None, no_hurry());
        assert_eq!(outcome, Err(Refused::TooLarge));
    }
}
