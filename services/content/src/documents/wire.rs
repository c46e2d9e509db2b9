//! Conversion of documents.

use crate::schema::DocumentStatus;
use prost_types::Struct;
use proto::content::v1 as pb;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{Mask, ProtoEnum, Violations};
use uuid::Uuid;

use super::filter::{DocumentFilter, DocumentOrder};
use super::{
    DEFAULT_CONTENT_TYPE, Document, DocumentChangeset, DocumentHead, MAX_CONTENT_BYTES,
    MAX_CONTENT_TYPE_CHARS, MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, NewDocument,
};
use crate::search::MAX_QUERY_CHARS;

/// Most content types in a filter.
const MAX_FILTERED_TYPES: usize = 50;

pub(crate) fn content(v: &mut Violations, field: &str, value: String) -> String {
    v.require(value.len() <= MAX_CONTENT_BYTES, field, "must not be larger than 2 MiB");
    v.require(!value.contains('\0'), field, "must not contain NUL");
    value
}

pub(crate) fn content_type(v: &mut Violations, field: &str, value: String) -> String {
    if value.is_empty() {
        return DEFAULT_CONTENT_TYPE.to_owned();
    }
    v.line(field, value, 1, MAX_CONTENT_TYPE_CHARS)
}

pub(crate) fn change_summary(v: &mut Violations, value: Option<String>) -> Option<String> {
    v.optional_text("change_summary", value, MAX_SUMMARY_CHARS)
}

/// A validated request. The author is set later.
#[derive(Clone, Debug)]
pub(crate) struct CreateDocumentInput {
    pub key: Option<RequestKey>,
    pub document: NewDocument,
    pub change_summary: Option<String>,
}

impl TryFrom<pb::CreateDocumentRequest> for CreateDocumentInput {
    type Error = Error;

    fn try_from(request: pb::CreateDocumentRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let document = NewDocument {
            id: v.uuid_or_new("document_id", &request.document_id),
            project_id: v.uuid("project_id", &request.project_id),
            title: v.line("title", request.title, 1, MAX_TITLE_CHARS),
            content: content(&mut v, "content", request.content),
            content_type: content_type(&mut v, "content_type", request.content_type),
            author_id: Uuid::nil(),
            version: 1,
            status: DocumentStatus::Draft,
            tags: v.tags("tags", request.tags),
            metadata: v.json("metadata", request.metadata),
            created_at: None,
            updated_at: None,
            published_at: None,
        };
        let change_summary = change_summary(&mut v, request.change_summary);
        v.finish()?;
        Ok(Self { key, document, change_summary })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct UpdateDocumentInput {
    pub id: Uuid,
    pub etag: String,
    pub change: DocumentChangeset,
    pub change_summary: Option<String>,
}

impl TryFrom<pb::UpdateDocumentRequest> for UpdateDocumentInput {
    type Error = Error;

    fn try_from(request: pb::UpdateDocumentRequest) -> Result<Self> {
        const FIELDS: [&str; 5] = ["title", "content", "content_type", "tags", "metadata"];
        let given = request.document.unwrap_or_default();
        let mut v = Violations::within("document.");
        let mask = Mask::of(&mut v, request.update_mask, &FIELDS);
        let id = v.uuid("id", &given.id);
        let change = DocumentChangeset {
            title: mask.pick("title", || v.line("title", given.title, 1, MAX_TITLE_CHARS)),
            content: mask.pick("content", || content(&mut v, "content", given.content.unwrap_or_default())),
            content_type: mask.pick("content_type", || {
                v.line("content_type", given.content_type, 1, MAX_CONTENT_TYPE_CHARS)
            }),
            tags: mask.pick("tags", || v.tags("tags", given.tags)),
            metadata: mask.pick("metadata", || v.json("metadata", given.metadata)),
            version: None,
        };
        let mut outer = Violations::new();
        let change_summary = change_summary(&mut outer, request.change_summary);
        v.absorb(outer);
        v.finish()?;
        Ok(Self { id, etag: given.etag, change, change_summary })
    }
}

/// Reads the filter fields that several requests have.
macro_rules! filter {
    ($v:ident, $request:ident) => {
        $crate::documents::filter::DocumentFilter {
            statuses: $v.enums("statuses", &$request.statuses),
            author_id: $v.optional_uuid("author_id", &$request.author_id),
            tags: $v.tags("tags", $request.tags.clone()),
            any_tags: $v.tags("any_tags", $request.any_tags.clone()),
            content_types: $crate::documents::wire::content_types(&mut $v, &$request.content_types),
            metadata: $crate::documents::wire::contained(&mut $v, $request.metadata.clone()),
            created: $crate::documents::filter::TimeRange {
                from: $v.optional_time("created_from", $request.created_from),
                before: $v.optional_time("created_before", $request.created_before),
            },
            updated: $crate::documents::filter::TimeRange {
                from: $v.optional_time("updated_from", $request.updated_from),
                before: $v.optional_time("updated_before", $request.updated_before),
            },
        }
    };
}
pub(crate) use filter;

pub(crate) fn content_types(v: &mut Violations, types: &[String]) -> Vec<String> {
    v.at_most("content_types", types.len(), MAX_FILTERED_TYPES);
    let types = types.iter().take(MAX_FILTERED_TYPES);
    types.map(|name| v.line("content_types", name.clone(), 1, MAX_CONTENT_TYPE_CHARS)).collect()
}

/// Metadata to filter by; an empty object does not filter.
pub(crate) fn contained(v: &mut Violations, metadata: Option<Struct>) -> Option<Value> {
    metadata.filter(|object| !object.fields.is_empty()).map(|object| v.json("metadata", Some(object)))
}

#[derive(Clone, Debug)]
pub(crate) struct ListDocumentsInput {
    pub project_id: Uuid,
    pub filter: DocumentFilter,
    pub text: Option<String>,
    pub order: DocumentOrder,
}

impl TryFrom<&pb::ListDocumentsRequest> for ListDocumentsInput {
    type Error = Error;

    fn try_from(request: &pb::ListDocumentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let text = Some(request.text.clone()).filter(|text| !text.is_empty());
        let input = Self {
            project_id: v.uuid("project_id", &request.project_id),
            filter: filter!(v, request),
            text: text.map(|text| v.line("text", text, 1, MAX_QUERY_CHARS)),
            order: v.optional_enum("order", request.order).unwrap_or_default(),
        };
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(input)
    }
}

impl ProtoEnum for DocumentOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        use pb::DocumentOrder as Wire;
        Some(match Wire::try_from(value).ok()? {
            Wire::Unspecified => None,
            Wire::Newest => Some(Self::CreatedDesc),
            Wire::Oldest => Some(Self::CreatedAsc),
            Wire::LastUpdated => Some(Self::UpdatedDesc),
            Wire::FirstUpdated => Some(Self::UpdatedAsc),
            Wire::Title => Some(Self::TitleAsc),
        })
    }
}

pub(crate) fn document_id(value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("document_id", value);
    v.finish()?;
    Ok(id)
}

impl From<DocumentHead> for pb::Document {
    fn from(head: DocumentHead) -> Self {
        Self {
            id: head.id.to_string(),
            project_id: head.project_id.to_string(),
            title: head.title,
            content: None,
            content_type: head.content_type,
            author_id: head.author_id.to_string(),
            version: head.version,
            status: head.status.into(),
            tags: head.tags,
            metadata: Some(to_struct(&head.metadata)),
            created_at: Some(to_timestamp(head.created_at)),
            updated_at: Some(to_timestamp(head.updated_at)),
            published_at: head.published_at.map(to_timestamp),
            etag: etag::of(head.row_version),
        }
    }
}

impl From<Document> for pb::Document {
    fn from(document: Document) -> Self {
        let content = Some(document.content.unwrap_or_default());
        Self { content, ..document.head.into() }
    }
}
