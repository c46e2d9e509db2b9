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
use diesel::{Queryable, QueryableByName, Selectable};
use serde_json::Value;
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

/// A name to save a file under: the last component of a path, without control characters.
pub fn safe_filename(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    match name.trim() {
        "" | "." | ".." => DEFAULT_FILENAME.to_owned(),
        name => name.to_owned(),
    }
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
}
