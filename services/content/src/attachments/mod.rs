//! Files attached to tasks, documents and projects. The row of an attachment refers to a blob, whose bytes are stored
//! before it ([`crate::uploads`]) and deleted after it ([`crate::collector`]).

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::file_attachments;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::{AsChangeset, Queryable, QueryableByName, Selectable};
use serde_json::Value;
use shared::etag::RowVersion;
use shared::validation::is_visible;
use uuid::Uuid;

use crate::targets::{ContentTarget, EntityType};

/// Longest file name, in characters.
pub const MAX_FILENAME_CHARS: usize = 255;
/// The name of a file if no character of the given name can be used.
const DEFAULT_FILENAME: &str = "file";

#[derive(Clone, Debug, PartialEq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = file_attachments, check_for_backend(Pg))]
pub struct Attachment {
    pub id: Uuid,
    pub entity_type: EntityType,
    pub entity_id: Uuid,
    /// Without directories and control characters.
    pub filename: String,
    pub original_filename: String,
    pub file_size: i64,
    pub mime_type: String,
    /// The object with the first bytes.
    pub storage_path: String,
    pub uploader_id: Uuid,
    pub metadata: Value,
    pub created_at: DateTime<Utc>,
    pub project_id: Uuid,
    /// In lower-case hexadecimal.
    pub sha256: String,
    pub updated_at: DateTime<Utc>,
    #[diesel(column_name = xmin)]
    pub row_version: RowVersion,
}

impl Attachment {
    pub fn target(&self) -> ContentTarget {
        ContentTarget { entity_type: self.entity_type, id: self.entity_id }
    }
}

/// A validated description of a file to attach.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachmentInput {
    pub id: Uuid,
    pub target: ContentTarget,
    pub original_filename: String,
    pub metadata: Value,
    /// What the bytes must have, if given.
    pub sha256: Option<String>,
}

/// New values; `None` changes nothing.
#[derive(Clone, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = file_attachments)]
pub struct AttachmentChange {
    pub filename: Option<String>,
    pub metadata: Option<Value>,
}

impl AttachmentChange {
    /// Drops values that the attachment has already. `None` if nothing changes.
    pub fn without_unchanged(self, attachment: &Attachment) -> Option<Self> {
        let change = Self {
            filename: self.filename.filter(|filename| *filename != attachment.filename),
            metadata: self.metadata.filter(|metadata| *metadata != attachment.metadata),
        };
        (change != Self::default()).then_some(change)
    }
}

/// A name to save a file under: the last component of a path, without control and invisible characters, and such that
/// common systems take it (Windows: "Naming Files, Paths, and Namespaces").
pub fn safe_filename(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = last.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let name: String = shown.map(|c| if RESERVED_CHARS.contains(c) { '_' } else { c }).collect();
    let name = not_a_device(name.trim_start().trim_end_matches(is_dropped_at_the_end));
    let name = if name.len() <= MAX_SAFE_BYTES { name } else { not_a_device(&shorten(&name)) };
    if name.chars().any(is_visible) { name } else { DEFAULT_FILENAME.to_owned() }
}

/// Characters that Windows takes for something else.
const RESERVED_CHARS: &str = "<>:\"|?*";
/// Names of devices in Windows, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// Those that have a number.
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];
/// What most file systems hold.
const MAX_SAFE_BYTES: usize = 255;
/// What a longer name is shortened to, and the longest extension that it keeps.
const SHORTENED_BYTES: usize = 240;
const MAX_EXTENSION_BYTES: usize = 16;

fn is_dropped_at_the_end(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

fn not_a_device(name: &str) -> String {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let is_number = |rest: &str| {
        matches!(rest, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    };
    let is_numbered = NUMBERED_DEVICES.iter().any(|device| stem.strip_prefix(device).is_some_and(is_number));
    if is_numbered || DEVICES.contains(&stem.as_str()) { format!("_{name}") } else { name.to_owned() }
}

/// Shortens a name before its extension.
fn shorten(name: &str) -> String {
    let extension = name.rfind('.').map(|dot| name.split_at(dot).1);
    let extension = extension.filter(|text| text.len() <= MAX_EXTENSION_BYTES).unwrap_or_default();
    let (stem, _) = name.split_at(name.floor_char_boundary(SHORTENED_BYTES - extension.len()));
    format!("{stem}{extension}").trim_end_matches(is_dropped_at_the_end).to_owned()
}

/// Characters that are not displayed or change the direction of others, so that a name may look like another one.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_filename_has_no_directories_and_control_characters() {
        let names =
            ["plan.md", "../../etc/passwd", "C:\\temp\\a.txt", "..", "a/", "\u{7}\n", " x\ty ", ".env"];
        let safe = names.map(safe_filename);
        assert_eq!(safe, ["plan.md", "passwd", "a.txt", "file", "file", "file", "xy", ".env"]);
    }

    #[test]
    fn safe_filename_has_no_invisible_characters() {
        let names =
            ["invoice\u{202e}fdp.exe", "\u{202e}", "a\u{200b}b\u{2066}\u{2069}", "\u{feff}x\u{ad}y\u{2028}"];
        assert_eq!(names.map(safe_filename), ["invoicefdp.exe", "file", "ab", "xy"]);
        assert_eq!(safe_filename("größe 日本語 🎉.txt"), "größe 日本語 🎉.txt");
    }

    #[test]
    fn safe_filename_can_be_saved_on_common_systems() {
        let names = [
            "nul",
            "Con.txt",
            "com1 .tar.gz",
            "COM¹",
            "lpt",
            "nullable.rs",
            "a: b?.txt",
            "plan. . ",
            "...",
            "\u{2800}",
        ];
        let safe = names.map(safe_filename);
        assert_eq!(
            safe,
            [
                "_nul",
                "_Con.txt",
                "_com1 .tar.gz",
                "_COM¹",
                "lpt",
                "nullable.rs",
                "a_ b_.txt",
                "plan",
                "file",
                "file"
            ]
        );
        assert_eq!(safe_filename(&format!("{}.tar.gz", "ü".repeat(200))), format!("{}.gz", "ü".repeat(118)));
        assert_eq!(safe_filename(&"日".repeat(255)).len(), 240);
    }
}
