//! Documents: their fields, their changes and the transitions of their status.

pub(crate) mod filter;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::DocumentStatus;
use crate::schema::documents;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::{AsChangeset, Insertable, Queryable, QueryableByName, Selectable};
use serde::Deserialize;
use serde_json::Value;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

/// Largest content, in bytes of UTF-8.
pub const MAX_CONTENT_BYTES: usize = 2 * 1024 * 1024;
/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 255;
/// Longest content type, in characters.
pub const MAX_CONTENT_TYPE_CHARS: usize = 50;
/// Longest summary of a change, in characters.
pub const MAX_SUMMARY_CHARS: usize = 1_000;
pub const DEFAULT_CONTENT_TYPE: &str = "markdown";

/// A document without its content. The change log has it as JSON, without the row version.
#[derive(Clone, Debug, PartialEq, Queryable, QueryableByName, Selectable, Deserialize)]
#[diesel(table_name = documents, check_for_backend(Pg))]
pub struct DocumentHead {
    pub id: Uuid,
    pub project_id: Uuid,
    pub title: String,
    pub content_type: String,
    pub author_id: Uuid,
    /// Number of the newest version; 0 for an imported document without versions yet.
    pub version: i32,
    pub status: DocumentStatus,
    pub tags: Vec<String>,
    pub metadata: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    #[diesel(column_name = xmin)]
    #[serde(skip)]
    pub row_version: RowVersion,
}

/// A document with the content of its newest version.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(Pg))]
pub struct Document {
    #[diesel(embed)]
    pub head: DocumentHead,
    pub content: Option<String>,
}

/// A document to insert. `None` is the default of the column.
#[derive(Clone, Debug, PartialEq, Insertable)]
#[diesel(table_name = documents)]
pub struct NewDocument {
    pub id: Uuid,
    pub project_id: Uuid,
    pub title: String,
    pub content: String,
    pub content_type: String,
    pub author_id: Uuid,
    pub version: i32,
    pub status: DocumentStatus,
    pub tags: Vec<String>,
    pub metadata: Value,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
}

/// New values; `None` changes nothing.
#[derive(Clone, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = documents)]
pub struct DocumentChange {
    pub title: Option<String>,
    pub content: Option<String>,
    pub content_type: Option<String>,
    pub tags: Option<Vec<String>>,
    pub metadata: Option<Value>,
    /// Number of the version that the change creates.
    pub version: Option<i32>,
    pub status: Option<DocumentStatus>,
    pub published_at: Option<DateTime<Utc>>,
}

impl DocumentChange {
    /// Drops values that the document has already, and sets the next version if title or content changes. `None` if
    /// nothing changes.
    pub fn without_unchanged(self, document: &Document) -> Option<Self> {
        let head = &document.head;
        let mut change = Self {
            title: self.title.filter(|title| *title != head.title),
            content: self.content.filter(|content| Some(content) != document.content.as_ref()),
            content_type: self.content_type.filter(|kind| *kind != head.content_type),
            tags: self.tags.filter(|tags| *tags != head.tags),
            metadata: self.metadata.filter(|metadata| *metadata != head.metadata),
            ..Self::default()
        };
        if change == Self::default() {
            return None;
        }
        if change.title.is_some() || change.content.is_some() {
            change.version = Some(head.next_version());
        }
        Some(change)
    }
}

impl DocumentHead {
    pub fn next_version(&self) -> i32 {
        self.version.saturating_add(1)
    }

    /// Fails with `INVALID_STATUS_TRANSITION` if the document is archived.
    pub fn require_editable(&self) -> Result<()> {
        if self.status == DocumentStatus::Archived {
            return Err(invalid_transition(self.status, "the document is archived; revise it first"));
        }
        Ok(())
    }
}

/// A change of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    Submit,
    Publish,
    Archive,
    Revise,
}

use DocumentStatus::{Archived, Draft, Published, Review};

/// Each transition, the statuses that it starts from, and the one that it leads to.
const TRANSITIONS: [(Transition, &[DocumentStatus], DocumentStatus); 4] = [
    (Transition::Submit, &[Draft], Review),
    (Transition::Publish, &[Review], Published),
    (Transition::Archive, &[Published], Archived),
    (Transition::Revise, &[Review, Published, Archived], Draft),
];

impl Transition {
    /// The status that this transition leads to; `None` if the document has it already.
    pub fn target(self, status: DocumentStatus) -> Result<Option<DocumentStatus>> {
        let known = TRANSITIONS.iter().find(|(transition, ..)| *transition == self);
        match known {
            Some((.., target)) if *target == status => Ok(None),
            Some((_, starts, target)) if starts.contains(&status) => Ok(Some(*target)),
            _ => Err(invalid_transition(status, "the document's status does not allow this transition")),
        }
    }
}

fn invalid_transition(status: DocumentStatus, message: &str) -> Error {
    Error::Precondition {
        reason: ErrorReason::InvalidStatusTransition,
        message: message.to_owned(),
        metadata: vec![("status", status.as_str().to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Document {
        let now = Utc::now();
        let head = DocumentHead {
            id: Uuid::now_v7(),
            project_id: Uuid::now_v7(),
            title: "plan".to_owned(),
            content_type: "markdown".to_owned(),
            author_id: Uuid::now_v7(),
            version: 3,
            status: Draft,
            tags: vec!["a".to_owned()],
            metadata: json!({}),
            created_at: now,
            updated_at: now,
            published_at: None,
            row_version: 1,
        };
        Document { head, content: Some("text".to_owned()) }
    }

    #[test]
    fn each_transition_from_each_status() {
        let table: Vec<String> =
            [Transition::Submit, Transition::Publish, Transition::Archive, Transition::Revise]
                .into_iter()
                .map(|transition| {
                    let ends = DocumentStatus::ALL.iter().map(|status| match transition.target(*status) {
                        Ok(Some(next)) => next.as_str(),
                        Ok(None) => "stays",
                        Err(_) => "refused",
                    });
                    format!("{transition:?}: {}", ends.collect::<Vec<_>>().join(", "))
                })
                .collect();
        assert_eq!(
            table,
            [
                "Submit: review, stays, refused, refused",
                "Publish: refused, published, stays, refused",
                "Archive: refused, refused, archived, stays",
                "Revise: stays, draft, draft, draft",
            ]
        );
    }

    #[test]
    fn only_title_and_content_create_a_version() {
        let document = document();
        let version =
            |change: DocumentChange| change.without_unchanged(&document).and_then(|change| change.version);
        assert_eq!(version(DocumentChange { title: Some("new".to_owned()), ..Default::default() }), Some(4));
        assert_eq!(version(DocumentChange { content: Some(String::new()), ..Default::default() }), Some(4));
        assert_eq!(version(DocumentChange { tags: Some(Vec::new()), ..Default::default() }), None);
    }

    #[test]
    fn equal_values_are_no_change() {
        let document = document();
        let same = DocumentChange {
            title: Some("plan".to_owned()),
            content: Some("text".to_owned()),
            content_type: Some("markdown".to_owned()),
            tags: Some(vec!["a".to_owned()]),
            metadata: Some(json!({})),
            ..Default::default()
        };
        assert_eq!(same.without_unchanged(&document), None);
    }

    #[test]
    fn an_archived_document_is_read_only() {
        let mut head = document().head;
        assert!(head.require_editable().is_ok());
        head.status = Archived;
        assert_eq!(head.require_editable().unwrap_err().reason(), ErrorReason::InvalidStatusTransition);
    }
}
