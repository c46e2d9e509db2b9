//! Files attached to tasks, documents and projects: a row here, which refers to a blob.
//!
//! The bytes are there before the row is ([`crate::uploads`]), and go after it ([`crate::collector`]).

pub mod deleted_tasks;
pub(crate) mod places;
pub(crate) mod queries;
pub mod rpc;
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

/// Longest name of a file, in characters.
pub const MAX_FILENAME_CHARS: usize = 255;
/// The name of a file whose given name holds nothing that a name may hold.
const NAMELESS: &str = "file";

/// What a file is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum EntityType {
    /// A task.
    Task,
    /// A document.
    Document,
    /// A project.
    Project,
}

impl EntityType {
    /// The label in PostgreSQL.
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

/// A thing that files are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its kind.
    pub kind: EntityType,
    /// Its key.
    pub id: Uuid,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = file_attachments, check_for_backend(Pg))]
pub struct Attachment {
    /// Key.
    pub id: Uuid,
    /// Kind of what it is attached to.
    pub entity_type: EntityType,
    /// What it is attached to.
    pub entity_id: Uuid,
    /// Name without folders and control characters.
    pub filename: String,
    /// Name as it was given.
    pub original_filename: String,
    /// Bytes.
    pub file_size: i64,
    /// Kind of content, from the bytes.
    pub mime_type: String,
    /// The object in which the bytes begin.
    pub storage_path: String,
    /// Who uploaded it.
    pub uploader_id: Uuid,
    /// Data of the application.
    pub metadata: Value,
    /// Uploaded.
    pub created_at: DateTime<Utc>,
    /// Project.
    pub project_id: Uuid,
    /// SHA-256 of the bytes in lower-case hexadecimal.
    pub sha256: String,
}

/// What an uploader tells of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Key of the attachment.
    pub id: Uuid,
    /// What the file is attached to.
    pub entity: Entity,
    /// Name as it was given.
    pub original_filename: String,
    /// Data of the application.
    pub metadata: Value,
    /// SHA-256 that the bytes must have, if it was given.
    pub sha256: Option<String>,
}

/// A name for saving: the last part of a path, without control characters.
pub fn safe_filename(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control()).collect();
    match kept.trim() {
        "" | "." | ".." => NAMELESS.to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_saving_names_no_folder() {
        let names =
            ["plan.md", "../../etc/passwd", "C:\\temp\\a.txt", "..", "a/", "\u{7}\n", " x\ty ", ".env"];
        let safe = names.map(safe_filename);
        assert_eq!(safe, ["plan.md", "passwd", "a.txt", "file", "file", "file", "xy", ".env"]);
    }
}
