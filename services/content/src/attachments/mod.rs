//! Files attached to tasks, documents and projects. The row of an attachment refers to a blob, whose bytes are stored
//! before it ([`crate::uploads`]) and deleted after it ([`crate::collector`]).

pub(crate) mod deleted_tasks;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod targets;
pub(crate) mod wire;

use std::io::Write;

use crate::schema::file_attachments;
use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
use diesel::{AsChangeset, Queryable, QueryableByName, Selectable};
use serde_json::Value;
use shared::etag::RowVersion;
use uuid::Uuid;

/// Longest file name, in characters.
pub const MAX_FILENAME_CHARS: usize = 255;
/// The name of a file if no character of the given name can be used.
const DEFAULT_FILENAME: &str = "file";

/// The type of an attachment's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum EntityType {
    Task,
    Document,
    Project,
}

impl EntityType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Document => "document",
            Self::Project => "project",
        }
    }
}

impl ToSql<Text, Pg> for EntityType {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Pg> for EntityType {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let label = std::str::from_utf8(value.as_bytes())?;
        let known = [Self::Task, Self::Document, Self::Project].into_iter().find(|e| e.as_str() == label);
        known.ok_or_else(|| format!("unknown entity type {label:?}").into())
    }
}

/// What a file is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentTarget {
    pub entity_type: EntityType,
    pub id: Uuid,
}

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
    pub fn target(&self) -> AttachmentTarget {
        AttachmentTarget { entity_type: self.entity_type, id: self.entity_id }
    }
}

/// A validated description of a file to attach.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachmentInput {
    pub id: Uuid,
    pub target: AttachmentTarget,
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

/// A name to save a file under: the last component of a path, without control and invisible characters.
pub fn safe_filename(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
    match name.trim() {
        "" | "." | ".." => DEFAULT_FILENAME.to_owned(),
        name => name.to_owned(),
    }
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
}
