//! Versions of documents. A trigger inserts one for each new version number of a document; they never change.

pub(crate) mod differences;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::document_versions;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::sql_types::{Nullable, Text};
use diesel::{Insertable, Queryable, QueryableByName, Selectable};
use shared::error::Error;
use uuid::Uuid;

/// Most bytes of contents on a page of versions; the first one may be larger.
pub const MAX_LISTED_BYTES: i64 = 2 * 1024 * 1024;

/// The position in a list of versions: before this number.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct AfterVersion(pub i32);

/// A version without its content.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = document_versions, check_for_backend(Pg))]
pub struct VersionHead {
    pub id: Uuid,
    pub document_id: Uuid,
    pub version_number: i32,
    pub title: String,
    pub change_summary: Option<String>,
    pub author_id: Uuid,
    pub created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = document_versions, check_for_backend(Pg))]
pub struct Version {
    #[diesel(embed)]
    pub head: VersionHead,
    pub content: String,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct ListedVersion {
    #[diesel(embed)]
    pub head: VersionHead,
    /// If it was requested and fits on the page.
    #[diesel(sql_type = Nullable<Text>)]
    pub content: Option<String>,
}

/// An imported version. All others are inserted by a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = document_versions)]
pub struct NewVersion {
    pub document_id: Uuid,
    pub version_number: i32,
    /// `None` until it is set to the title of the document.
    pub title: Option<String>,
    pub content: String,
    pub change_summary: Option<String>,
    pub author_id: Uuid,
    pub created_at: Option<DateTime<Utc>>,
}

pub(crate) fn not_found(document_id: Uuid, number: i32) -> Error {
    Error::not_found("document_version", format!("{document_id}/{number}"))
}
