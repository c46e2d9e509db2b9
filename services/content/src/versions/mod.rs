//! Versions of documents: each as it once was. They never change; a trigger writes one for each new number.

pub(crate) mod differences;
pub(crate) mod queries;
pub(crate) mod wire;

use crate::schema::document_versions;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::sql_types::{Nullable, Text};
use diesel::{Insertable, Queryable, QueryableByName, Selectable};
use shared::error::Error;
use uuid::Uuid;

/// Most bytes of contents on a page of versions, but that a page has at least one.
pub const MAX_LISTED_BYTES: i64 = 2 * 1024 * 1024;

/// Where a list of versions goes on: below this number.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct AfterVersion(pub i32);

/// A version without its content.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = document_versions, check_for_backend(Pg))]
pub struct VersionHead {
    /// Key.
    pub id: Uuid,
    /// Document.
    pub document_id: Uuid,
    /// From 1, without gaps.
    pub version_number: i32,
    /// Title then.
    pub title: String,
    /// What changed.
    pub change_summary: Option<String>,
    /// Who made it.
    pub author_id: Uuid,
    /// Made.
    pub created_at: DateTime<Utc>,
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = document_versions, check_for_backend(Pg))]
pub struct Version {
    /// All but the content.
    #[diesel(embed)]
    pub head: VersionHead,
    /// Whole content.
    pub content: String,
}

/// A version in a list that may carry contents.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct ListedVersion {
    /// All but the content.
    #[diesel(embed)]
    pub head: VersionHead,
    /// Whole content, if it was asked for and fits on the page.
    #[diesel(sql_type = Nullable<Text>)]
    pub content: Option<String>,
}

/// A version from elsewhere, to be stored. Those that are made here come from a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Insertable)]
#[diesel(table_name = document_versions)]
pub struct NewVersion {
    /// Document.
    pub document_id: Uuid,
    /// From 1, without gaps.
    pub version_number: i32,
    /// Title then; the document's if `None`, which is filled in before it is stored.
    pub title: Option<String>,
    /// Whole content.
    pub content: String,
    /// What changed.
    pub change_summary: Option<String>,
    /// Who made it.
    pub author_id: Uuid,
    /// Made; now if `None`.
    pub created_at: Option<DateTime<Utc>>,
}

/// The refusal of one who asks for a version that is not there.
pub(crate) fn not_found(document_id: Uuid, number: i32) -> Error {
    Error::not_found("document_version", format!("{document_id}/{number}"))
}
