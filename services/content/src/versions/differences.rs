//! Conversion of diffs.

use prost::Message;
use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::Version;
use super::wire::version_number;
use crate::page::ITEM_OVERHEAD_BYTES;
use crate::texts::diff::{ChangeTag, Diff, Hunk, Part, Unit};
use crate::texts::unified;

/// Most bytes of a diff in a response.
pub(crate) const MAX_DIFF_BYTES: usize = 3 * 1024 * 1024;
/// Most unchanged lines around changed ones.
const MAX_CONTEXT_LINES: i32 = 1_000;
/// Unchanged lines around changed ones if not given.
const DEFAULT_CONTEXT_LINES: i32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Hunks,
    Unified,
}

impl ProtoEnum for Format {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match pb::DiffFormat::try_from(value).ok()? {
            pb::DiffFormat::Unspecified => None,
            pb::DiffFormat::Hunks => Some(Self::Hunks),
            pb::DiffFormat::Unified => Some(Self::Unified),
        })
    }
}

impl ProtoEnum for Unit {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match pb::DiffUnit::try_from(value).ok()? {
            pb::DiffUnit::Unspecified => None,
            pb::DiffUnit::Lines => Some(Self::Lines),
            pb::DiffUnit::Words => Some(Self::Words),
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct DiffVersionsInput {
    pub id: Uuid,
    pub old_version: i32,
    /// `None` for the newest.
    pub new_version: Option<i32>,
    pub unit: Unit,
    pub format: Format,
    pub context_lines: usize,
}

impl TryFrom<pb::DiffDocumentVersionsRequest> for DiffVersionsInput {
    type Error = Error;

    fn try_from(request: pb::DiffDocumentVersionsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("document_id", &request.document_id);
        let old_version = version_number(&mut v, "old_version", request.old_version);
        v.require(request.new_version >= 0, "new_version", "must not be negative");
        let unit = v.optional_enum("unit", request.unit);
        let format = v.optional_enum("format", request.format).unwrap_or(Format::Hunks);
        let is_unified_words = format == Format::Unified && unit == Some(Unit::Words);
        v.require(!is_unified_words, "unit", "must be lines for a unified diff");
        let context_lines = v.optional_number("context_lines", request.context_lines, 0, MAX_CONTEXT_LINES);
        v.finish()?;
        let context_lines =
            usize::try_from(context_lines.unwrap_or(DEFAULT_CONTEXT_LINES)).unwrap_or_default();
        let new_version = Some(request.new_version).filter(|number| *number > 0);
        Ok(Self { id, old_version, new_version, unit: unit.unwrap_or(Unit::Lines), format, context_lines })
    }
}

/// The response with as many hunks as it may hold.
pub(crate) fn diff_response(
    old: &Version,
    new: &Version,
    diff: &Diff<'_>,
    format: Format,
) -> pb::DocumentDiff {
    let mut response = pb::DocumentDiff {
        document_id: new.head.document_id.to_string(),
        old_version: old.head.version_number,
        new_version: new.head.version_number,
        old_title: old.head.title.clone(),
        new_title: new.head.title.clone(),
        inserted_lines: number(diff.inserted_lines),
        deleted_lines: number(diff.deleted_lines),
        ..Default::default()
    };
    let mut remaining = MAX_DIFF_BYTES;
    for hunk in &diff.hunks {
        let size = match format {
            Format::Hunks => add_hunk(hunk, &mut response.hunks, remaining),
            Format::Unified => add_text(hunk, &mut response.unified, remaining),
        };
        let Some(size) = size else {
            response.truncated = true;
            break;
        };
        remaining -= size;
    }
    response
}

/// Adds a hunk if it is not larger than `limit` bytes, and returns its size.
fn add_hunk(hunk: &Hunk<'_>, hunks: &mut Vec<pb::DiffHunk>, limit: usize) -> Option<usize> {
    let hunk = pb::DiffHunk::from(hunk);
    let size = hunk.encoded_len() + ITEM_OVERHEAD_BYTES;
    (size <= limit).then(|| {
        hunks.push(hunk);
        size
    })
}

/// Like [`add_hunk`], for a unified diff.
fn add_text(hunk: &Hunk<'_>, text: &mut String, limit: usize) -> Option<usize> {
    let before = text.len();
    unified::write(hunk, text);
    let size = text.len() - before;
    if size > limit {
        text.truncate(before);
        return None;
    }
    Some(size)
}

impl From<&Hunk<'_>> for pb::DiffHunk {
    fn from(hunk: &Hunk<'_>) -> Self {
        Self {
            old_start: number(hunk.old.start + 1),
            old_lines: number(hunk.old.len()),
            new_start: number(hunk.new.start + 1),
            new_lines: number(hunk.new.len()),
            parts: hunk.parts.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Part<'_>> for pb::DiffPart {
    fn from(part: &Part<'_>) -> Self {
        let kind = match part.tag {
            ChangeTag::Same => pb::DiffPartKind::Same,
            ChangeTag::Deleted => pb::DiffPartKind::Deleted,
            ChangeTag::Inserted => pb::DiffPartKind::Inserted,
        };
        Self { kind: kind.into(), text: part.text.to_owned() }
    }
}

/// A count of lines. It fits, because a content has at most 2 MiB.
fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
