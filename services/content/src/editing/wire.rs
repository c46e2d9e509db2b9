//! Conversion of edits.

use prost::Message;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Edit as PbEdit;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency::RequestKey;
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::{BaseEdit, ConflictHunk, ConflictLines, Edit, EditError};
use crate::documents::MAX_CONTENT_BYTES;
use crate::documents::wire::{change_summary, content};
use crate::page::ITEM_OVERHEAD_BYTES;
use crate::texts::patch::LineEdit;
use crate::versions::wire::version_number;

/// The type of the error detail.
const CONFLICT_TYPE_URL: &str = "type.googleapis.com/dafnck.content.v1.EditConflict";
/// Most bytes of conflicts in an error, which is sent as base64 in a header.
const MAX_DETAIL_BYTES: usize = 2 * 1024;
/// Most bytes of conflicts in a preview.
const MAX_PREVIEW_BYTES: usize = 3 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct EditContentInput {
    pub key: Option<RequestKey>,
    pub id: Uuid,
    pub edit: Edit,
    pub change_summary: Option<String>,
    pub etag: String,
}

impl TryFrom<pb::EditDocumentContentRequest> for EditContentInput {
    type Error = Error;

    fn try_from(request: pb::EditDocumentContentRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = v.uuid("document_id", &request.document_id);
        let edit = edit(&mut v, request.edit);
        let change_summary = change_summary(&mut v, request.change_summary);
        v.finish()?;
        Ok(Self { key, id, edit, change_summary, etag: request.etag })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct PreviewEditInput {
    pub id: Uuid,
    pub edit: Edit,
}

impl TryFrom<pb::PreviewDocumentEditRequest> for PreviewEditInput {
    type Error = Error;

    fn try_from(request: pb::PreviewDocumentEditRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("document_id", &request.document_id);
        let edit = edit(&mut v, request.edit);
        v.finish()?;
        Ok(Self { id, edit })
    }
}

/// Converts an edit. If it adds violations, the request fails and the result does not matter.
fn edit(outer: &mut Violations, edit: Option<pb::ContentEdit>) -> Edit {
    let field = if edit.is_some() { "edit.edit" } else { "edit" };
    let Some(edit) = edit.unwrap_or_default().edit else {
        outer.add(field, "must be one of replacement, append, prepend, unified_diff and line_edits");
        return Edit::Append(String::new());
    };
    let mut v = Violations::within("edit.");
    let edit = match edit {
        PbEdit::Append(text) => Edit::Append(content(&mut v, "append", text)),
        PbEdit::Prepend(text) => Edit::Prepend(content(&mut v, "prepend", text)),
        PbEdit::Replacement(replacement) => {
            let base = version_number(&mut v, "replacement.base_version", replacement.base_version);
            let content = content(&mut v, "replacement.content", replacement.content);
            Edit::OfBase(base, BaseEdit::Replacement(content))
        }
        PbEdit::UnifiedDiff(diff) => {
            let base = version_number(&mut v, "unified_diff.base_version", diff.base_version);
            v.require(!diff.text.contains('\0'), "unified_diff.text", "must not contain NUL");
            Edit::OfBase(base, BaseEdit::UnifiedDiff(diff.text))
        }
        PbEdit::LineEdits(edits) => {
            let base = version_number(&mut v, "line_edits.base_version", edits.base_version);
            Edit::OfBase(base, BaseEdit::LineEdits(line_edits(&mut v, edits.edits)))
        }
    };
    outer.absorb(v);
    edit
}

fn line_edits(v: &mut Violations, edits: Vec<pb::LineEdit>) -> Vec<LineEdit> {
    v.require(!edits.is_empty(), "line_edits.edits", "must have at least one item");
    v.at_most("line_edits.edits", edits.len(), MAX_BATCH);
    let edits = edits.into_iter().take(MAX_BATCH).enumerate();
    edits
        .map(|(index, pb::LineEdit { line, count, text })| {
            let field = |name| format!("line_edits.edits[{index}].{name}");
            v.require(line >= 1, &field("line"), "must be at least 1");
            v.require(count >= 0, &field("count"), "must not be negative");
            let first = usize::try_from(line).unwrap_or_default().saturating_sub(1);
            let end = first.saturating_add(usize::try_from(count).unwrap_or_default());
            LineEdit { lines: first..end, text: content(v, &field("text"), text) }
        })
        .collect()
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        let message = error.to_string();
        let (reason, metadata) = match error {
            EditError::Patch(error) => {
                let line = error.line().map(|line| ("line", line.to_string()));
                (ErrorReason::PatchDoesNotApply, line.into_iter().collect())
            }
            EditError::TooLarge => {
                (ErrorReason::TooLarge, vec![("limit_bytes", MAX_CONTENT_BYTES.to_string())])
            }
        };
        Self::InvalidFor { reason, message, metadata }
    }
}

pub(super) fn conflict(id: Uuid, base: i32, head: i32, hunks: Vec<ConflictHunk>) -> Error {
    let count = hunks.len();
    let detail = pb::EditConflict {
        document_id: id.to_string(),
        base_version: base,
        head_version: head,
        conflict_count: number(count),
        conflicts: take_up_to(hunks, MAX_DETAIL_BYTES),
    };
    Error::Conflict {
        reason: ErrorReason::EditConflict,
        message: format!(
            "{count} of the edit's changes conflict with changes since version {base}; \
             PreviewDocumentEdit returns them; resolve them and edit again with base_version {head}"
        ),
        metadata: vec![
            ("base_version", base.to_string()),
            ("head_version", head.to_string()),
            ("conflicts", count.to_string()),
        ],
        detail: Box::new(prost_types::Any {
            type_url: CONFLICT_TYPE_URL.to_owned(),
            value: detail.encode_to_vec(),
        }),
    }
}

pub(super) fn preview(base: i32, head: i32, hunks: Vec<ConflictHunk>) -> pb::PreviewDocumentEditResponse {
    let count = hunks.len();
    let conflicts = take_up_to(hunks, MAX_PREVIEW_BYTES);
    pb::PreviewDocumentEditResponse {
        base_version: base,
        head_version: head,
        content: None,
        truncated: conflicts.len() < count,
        conflicts,
    }
}

fn take_up_to(hunks: Vec<ConflictHunk>, mut max_bytes: usize) -> Vec<pb::EditConflictHunk> {
    let mut kept = Vec::new();
    for hunk in hunks.into_iter().map(pb::EditConflictHunk::from) {
        let size = hunk.encoded_len() + ITEM_OVERHEAD_BYTES;
        if size > max_bytes {
            break;
        }
        max_bytes -= size;
        kept.push(hunk);
    }
    kept
}

impl From<ConflictHunk> for pb::EditConflictHunk {
    fn from(hunk: ConflictHunk) -> Self {
        Self {
            base_side: Some(hunk.base.into()),
            head_side: Some(hunk.head.into()),
            edit_side: Some(hunk.edit.into()),
        }
    }
}

impl From<ConflictLines> for pb::ConflictSide {
    fn from(lines: ConflictLines) -> Self {
        Self { line: number(lines.first + 1), count: number(lines.count), text: lines.text }
    }
}

/// A count of lines. It fits, because a content has at most 2 MiB.
fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(text: &str) -> ConflictHunk {
        let lines = ConflictLines { first: 0, count: 1, text: text.to_owned() };
        ConflictHunk { base: lines.clone(), head: lines.clone(), edit: lines }
    }

    #[test]
    fn an_error_has_as_many_conflicts_as_fit_into_a_header() {
        let Error::Conflict { detail, .. } = conflict(Uuid::nil(), 1, 2, vec![hunk(&"x".repeat(200)); 100])
        else {
            panic!("not a conflict");
        };
        let decoded = pb::EditConflict::decode(detail.value.as_slice()).unwrap();
        assert_eq!((decoded.conflict_count, decoded.conflicts.len()), (100, 3));
        assert!(detail.value.len() < MAX_DETAIL_BYTES + 100);
    }

    #[test]
    fn a_preview_that_is_too_large_is_truncated() {
        let all = preview(1, 2, vec![hunk("x\n"); 3]);
        assert_eq!((all.conflicts.len(), all.truncated), (3, false));
        let some = preview(1, 2, vec![hunk(&"x".repeat(600_000)); 3]);
        assert_eq!((some.conflicts.len(), some.truncated), (1, true));
    }
}
