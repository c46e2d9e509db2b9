//! Documents: what they are, how they change, and where they may go from where they stand.

pub(crate) mod filter;
pub(crate) mod queries;
pub mod rpc;
pub(crate) mod wire;

use crate::schema::DocumentStatus;
use crate::schema::documents;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::{AsChangeset, Insertable, Queryable, QueryableByName, Selectable};
use serde_json::Value;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use uuid::Uuid;

/// Largest content, in bytes of UTF-8.
pub const MAX_CONTENT_BYTES: usize = 2 * 1024 * 1024;
/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 255;
/// Longest kind of text, in characters.
pub const MAX_CONTENT_TYPE_CHARS: usize = 50;
/// Longest summary of a change, in characters.
pub const MAX_SUMMARY_CHARS: usize = 1_000;
/// The kind of text when none is given.
pub const DEFAULT_CONTENT_TYPE: &str = "markdown";

/// A document without its content.
#[derive(Clone, Debug, PartialEq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = documents, check_for_backend(Pg))]
pub struct DocumentHead {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Title.
    pub title: String,
    /// Kind of text.
    pub content_type: String,
    /// Who made it.
    pub author_id: Uuid,
    /// Number of the newest version; 0 for an imported document whose versions have not come yet.
    pub version: i32,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Labels.
    pub tags: Vec<String>,
    /// Data of the application.
    pub metadata: Value,
    /// Made.
    pub created_at: DateTime<Utc>,
    /// Last changed.
    pub updated_at: DateTime<Utc>,
    /// Last published.
    pub published_at: Option<DateTime<Utc>>,
    /// Version of the row.
    #[diesel(column_name = xmin)]
    pub row_version: RowVersion,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(Pg))]
pub struct Document {
    /// All but the content.
    #[diesel(embed)]
    pub head: DocumentHead,
    /// Content of the newest version.
    pub content: Option<String>,
}

/// A document to be stored. What is not given is what the table says.
#[derive(Clone, Debug, PartialEq, Insertable)]
#[diesel(table_name = documents)]
pub struct NewDocument {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Title.
    pub title: String,
    /// Content.
    pub content: String,
    /// Kind of text.
    pub content_type: String,
    /// Who makes it.
    pub author_id: Uuid,
    /// Number of the version that the content is.
    pub version: i32,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Labels.
    pub tags: Vec<String>,
    /// Data of the application.
    pub metadata: Value,
    /// Made.
    pub created_at: Option<DateTime<Utc>>,
    /// Last changed.
    pub updated_at: Option<DateTime<Utc>>,
    /// Last published.
    pub published_at: Option<DateTime<Utc>>,
}

/// New values; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = documents)]
pub struct DocumentChange {
    /// Title.
    pub title: Option<String>,
    /// Content.
    pub content: Option<String>,
    /// Kind of text.
    pub content_type: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// Data of the application.
    pub metadata: Option<Value>,
    /// Number of the version that the change makes.
    pub version: Option<i32>,
}

/// A new state.
#[derive(Clone, Debug, PartialEq, AsChangeset)]
#[diesel(table_name = documents)]
pub struct StatusChange {
    /// Where the document stands from now on.
    pub status: DocumentStatus,
    /// Given when it is published.
    pub published_at: Option<DateTime<Utc>>,
}

impl DocumentChange {
    /// What of this is new to the document, with the number of the next version if title or content is;
    /// `None` if nothing is new.
    pub fn against(self, document: &Document) -> Option<Self> {
        let head = &document.head;
        let mut change = Self {
            title: self.title.filter(|title| *title != head.title),
            content: self.content.filter(|content| Some(content) != document.content.as_ref()),
            content_type: self.content_type.filter(|kind| *kind != head.content_type),
            tags: self.tags.filter(|tags| *tags != head.tags),
            metadata: self.metadata.filter(|metadata| *metadata != head.metadata),
            version: None,
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
    /// The number after the newest version.
    pub fn next_version(&self) -> i32 {
        self.version.saturating_add(1)
    }

    /// Lets a document be written to unless it is put away.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`INVALID_STATUS_TRANSITION`).
    pub fn require_editable(&self) -> Result<()> {
        if self.status == DocumentStatus::Archived {
            return Err(status_forbids(self.status, "the document is archived; revise it first"));
        }
        Ok(())
    }
}

/// A step in a document's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand in.
    Submit,
    /// Release.
    Publish,
    /// Put away.
    Archive,
    /// Take back.
    Revise,
}

use DocumentStatus::{Archived, Draft, Published, Review};

/// Each step, the states that it starts from, and where it leads.
const STEPS: [(Step, &[DocumentStatus], DocumentStatus); 4] = [
    (Step::Submit, &[Draft], Review),
    (Step::Publish, &[Review], Published),
    (Step::Archive, &[Published], Archived),
    (Step::Revise, &[Review, Published, Archived], Draft),
];

impl Step {
    /// Where this step leads from a state; `None` if the document is there already.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`INVALID_STATUS_TRANSITION`).
    pub fn from(self, status: DocumentStatus) -> Result<Option<DocumentStatus>> {
        let known = STEPS.iter().find(|(step, ..)| *step == self);
        match known {
            Some((.., target)) if *target == status => Ok(None),
            Some((_, starts, target)) if starts.contains(&status) => Ok(Some(*target)),
            _ => Err(status_forbids(status, "the document's status does not allow this step")),
        }
    }
}

fn status_forbids(status: DocumentStatus, message: &str) -> Error {
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
    fn every_step_from_every_state() {
        let table: Vec<String> = [Step::Submit, Step::Publish, Step::Archive, Step::Revise]
            .into_iter()
            .map(|step| {
                let ends = DocumentStatus::ALL.iter().map(|status| match step.from(*status) {
                    Ok(Some(next)) => next.as_str(),
                    Ok(None) => "stays",
                    Err(_) => "refused",
                });
                format!("{step:?}: {}", ends.collect::<Vec<_>>().join(", "))
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
    fn only_title_and_content_make_a_version() {
        let document = document();
        let version = |change: DocumentChange| change.against(&document).and_then(|change| change.version);
        assert_eq!(version(DocumentChange { title: Some("new".to_owned()), ..Default::default() }), Some(4));
        assert_eq!(version(DocumentChange { content: Some(String::new()), ..Default::default() }), Some(4));
        assert_eq!(version(DocumentChange { tags: Some(Vec::new()), ..Default::default() }), None);
    }

    #[test]
    fn what_is_the_same_is_no_change() {
        let document = document();
        let same = DocumentChange {
            title: Some("plan".to_owned()),
            content: Some("text".to_owned()),
            content_type: Some("markdown".to_owned()),
            tags: Some(vec!["a".to_owned()]),
            metadata: Some(json!({})),
            version: None,
        };
        assert_eq!(same.against(&document), None);
    }

    #[test]
    fn an_archived_document_is_read_only() {
        let mut head = document().head;
        assert!(head.require_editable().is_ok());
        head.status = Archived;
        assert_eq!(head.require_editable().unwrap_err().reason(), ErrorReason::InvalidStatusTransition);
    }
}
