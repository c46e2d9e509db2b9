//! How two versions differ, on the wire.

use prost::Message;
use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::Version;
use super::wire::version_number;
use crate::texts::diff::{ChangeTag, Diff, Hunk, Part, Unit};
use crate::texts::unified;

/// Most bytes of a diff in an answer.
pub(crate) const MAX_DIFF_BYTES: usize = 3 * 1024 * 1024;
/// Most unchanged lines around changed ones.
const MAX_CONTEXT_LINES: i32 = 1_000;
/// Unchanged lines around changed ones, unless something else is wished for.
const DEFAULT_CONTEXT_LINES: i32 = 3;

/// How a diff is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Hunks,
    Unified,
}

impl ProtoEnum for Form {
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

/// A checked wish for a diff.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiffVersions {
    pub id: Uuid,
    pub from: i32,
    /// The newest if `None`.
    pub to: Option<i32>,
    pub unit: Unit,
    pub form: Form,
    pub context: usize,
}

impl TryFrom<pb::DiffDocumentVersionsRequest> for DiffVersions {
    type Error = Error;

    fn try_from(request: pb::DiffDocumentVersionsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("document_id", &request.document_id);
        let from = version_number(&mut v, "from_version", request.from_version);
        v.require(request.to_version >= 0, "to_version", "must not be negative");
        let unit = v.optional_enum("unit", request.unit);
        let form = v.optional_enum("form", request.format).unwrap_or(Form::Hunks);
        let both = form == Form::Unified && unit == Some(Unit::Words);
        v.require(!both, "unit", "must be lines for a unified diff");
        let context = v.optional_number("context_lines", request.context_lines, 0, MAX_CONTEXT_LINES);
        v.finish()?;
        let context = usize::try_from(context.unwrap_or(DEFAULT_CONTEXT_LINES)).unwrap_or_default();
        let to = Some(request.to_version).filter(|number| *number > 0);
        Ok(Self { id, from, to, unit: unit.unwrap_or(Unit::Lines), form, context })
    }
}

/// Writes a diff, as much of it as an answer holds.
pub(crate) fn answer(from: &Version, to: &Version, diff: &Diff<'_>, form: Form) -> pb::DocumentDiff {
    let mut answer = pb::DocumentDiff {
        document_id: to.head.document_id.to_string(),
        from_version: from.head.version_number,
        to_version: to.head.version_number,
        from_title: from.head.title.clone(),
        to_title: to.head.title.clone(),
        inserted_lines: number(diff.inserted),
        deleted_lines: number(diff.deleted),
        ..Default::default()
    };
    let mut room = MAX_DIFF_BYTES;
    for hunk in &diff.hunks {
        let took = match form {
            Form::Hunks => add_hunk(hunk, &mut answer.hunks, room),
            Form::Unified => add_text(hunk, &mut answer.unified, room),
        };
        let Some(took) = took else {
            answer.truncated = true;
            break;
        };
        room -= took;
    }
    answer
}

/// Adds a hunk if there is room for it, and tells how much it took.
fn add_hunk(hunk: &Hunk<'_>, hunks: &mut Vec<pb::DiffHunk>, room: usize) -> Option<usize> {
    let hunk = pb::DiffHunk::from(hunk);
    let size = hunk.encoded_len();
    (size <= room).then(|| {
        hunks.push(hunk);
        size
    })
}

/// As [`add_hunk`], to a unified diff.
fn add_text(hunk: &Hunk<'_>, text: &mut String, room: usize) -> Option<usize> {
    let before = text.len();
    unified::write(hunk, text);
    let size = text.len() - before;
    if size > room {
        text.truncate(before);
        return None;
    }
    Some(size)
}

impl From<&Hunk<'_>> for pb::DiffHunk {
    fn from(hunk: &Hunk<'_>) -> Self {
        Self {
            from_line: number(hunk.from.start + 1),
            from_count: number(hunk.from.len()),
            to_line: number(hunk.to.start + 1),
            to_count: number(hunk.to.len()),
            parts: hunk.parts.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Part<'_>> for pb::DiffPart {
    fn from(part: &Part<'_>) -> Self {
        let kind = match part.fate {
            ChangeTag::Same => pb::DiffPartKind::Same,
            ChangeTag::Deleted => pb::DiffPartKind::Deleted,
            ChangeTag::Inserted => pb::DiffPartKind::Inserted,
        };
        Self { kind: kind.into(), text: part.text.to_owned() }
    }
}

/// A count of lines on the wire; of a content of at most 2 MiB it always fits.
fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
