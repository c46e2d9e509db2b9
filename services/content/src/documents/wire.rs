//! Conversion of documents.

use crate::schema::DocumentStatus;
use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{JsonChange, to_struct, to_timestamp};
use shared::validation::{Mask, ProtoEnum, Violations};
use uuid::Uuid;

use super::filter::{DocumentFilter, DocumentOrder};
use super::{
    DEFAULT_CONTENT_TYPE, Document, DocumentChange, DocumentHead, MAX_CONTENT_BYTES, MAX_CONTENT_TYPE_CHARS,
    MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, NewDocument,
};
use crate::search::MAX_QUERY_CHARS;

/// Most project or author ids in a filter.
const MAX_FILTERED_IDS: usize = 100;
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
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let change_summary = change_summary(&mut outer, request.change_summary);
        let document = outer.message("document", request.document);
        let mut v = Violations::within("document.");
        let document = NewDocument {
            id: v.uuid_or_new("id", &document.id),
            project_id: v.uuid("project_id", &document.project_id),
            title: v.line("title", document.title, 1, MAX_TITLE_CHARS),
            content: content(&mut v, "content", document.content.unwrap_or_default()),
            content_type: content_type(&mut v, "content_type", document.content_type),
            author_id: Uuid::nil(),
            version: 1,
            status: DocumentStatus::Draft,
            tags: v.tags("tags", document.tags),
            metadata: v.json("metadata", document.metadata),
            created_at: None,
            updated_at: None,
            published_at: None,
        };
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, document, change_summary })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct UpdateDocumentInput {
    pub id: Uuid,
    pub etag: String,
    /// Without metadata, which depend on the present ones.
    pub change: DocumentChange,
    pub metadata: Option<JsonChange>,
    pub has_changes: bool,
    pub change_summary: Option<String>,
}

impl TryFrom<pb::UpdateDocumentRequest> for UpdateDocumentInput {
    type Error = Error;

    fn try_from(request: pb::UpdateDocumentRequest) -> Result<Self> {
        const CHANGEABLE: &[&str] = &["title", "content", "content_type", "tags", "metadata"];
        let mut v = Violations::within("document.");
        let document = v.message("document", request.document);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = v.resource_uuid("id", &document.id);
        v.optional_uuid("project_id", &document.project_id);
        let change = DocumentChange {
            title: mask.pick("title", document.title, |title| v.line("title", title, 1, MAX_TITLE_CHARS)),
            content: mask.pick("content", document.content, |text| {
                content(&mut v, "content", text.unwrap_or_default())
            }),
            content_type: mask.pick("content_type", document.content_type, |content_type| {
                v.line("content_type", content_type, 1, MAX_CONTENT_TYPE_CHARS)
            }),
            tags: mask.pick("tags", document.tags, |tags| v.tags("tags", tags)),
            ..Default::default()
        };
        let metadata = mask.pick_json(&mut v, "metadata", document.metadata, request.metadata_patch);
        let mut outer = Violations::new();
        let change_summary = change_summary(&mut outer, request.change_summary);
        v.absorb(outer);
        v.finish()?;
        let has_changes = mask.has_changes();
        Ok(Self { id, etag: document.etag, change, metadata, has_changes, change_summary })
    }
}

/// Reads a filter; the violations are within `filter.`.
pub(crate) fn document_filter(outer: &mut Violations, filter: Option<pb::DocumentFilter>) -> DocumentFilter {
    let filter = filter.unwrap_or_default();
    let mut v = Violations::within("filter.");
    let text = Some(filter.text).filter(|text| !text.is_empty());
    let metadata = filter.metadata.filter(|object| !object.fields.is_empty());
    let read = DocumentFilter {
        project_ids: ids(&mut v, "project_ids", &filter.project_ids),
        statuses: v.enums("statuses", &filter.statuses),
        author_ids: ids(&mut v, "author_ids", &filter.author_ids),
        all_tags: v.tags("all_tags", filter.all_tags),
        any_tags: v.tags("any_tags", filter.any_tags),
        no_tags: v.tags("no_tags", filter.no_tags),
        content_types: content_types(&mut v, filter.content_types),
        created_at: v.time_range("created_at", filter.created_at),
        updated_at: v.time_range("updated_at", filter.updated_at),
        text: text.map(|text| v.line("text", text, 1, MAX_QUERY_CHARS)),
        metadata: metadata.map(|object| v.json("metadata", Some(object))),
    };
    outer.absorb(v);
    read
}

/// Distinct ids to filter by.
fn ids(v: &mut Violations, field: &str, ids: &[String]) -> Vec<Uuid> {
    let mut ids = v.uuids(field, ids, MAX_FILTERED_IDS);
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn content_types(v: &mut Violations, types: Vec<String>) -> Vec<String> {
    const FIELD: &str = "content_types";
    v.items(FIELD, types, MAX_FILTERED_TYPES, |v, name| v.line(FIELD, name, 1, MAX_CONTENT_TYPE_CHARS))
}

#[derive(Clone, Debug)]
pub(crate) struct ListDocumentsInput {
    pub filter: DocumentFilter,
    pub order: DocumentOrder,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListDocumentsRequest> for ListDocumentsInput {
    type Error = Error;

    fn try_from(request: pb::ListDocumentsRequest) -> Result<Self> {
        let pb::ListDocumentsRequest { filter, order, page_size, page_token } = request;
        let mut v = Violations::new();
        let filter = document_filter(&mut v, filter);
        let order = v.optional_enum("order", order).unwrap_or_default();
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { filter, order, page_size, page_token })
    }
}

impl ProtoEnum for DocumentOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        use pb::DocumentOrder as Wire;
        Some(match Wire::try_from(value).ok()? {
            Wire::Unspecified => None,
            Wire::CreatedDesc => Some(Self::CreatedDesc),
            Wire::CreatedAsc => Some(Self::CreatedAsc),
            Wire::UpdatedDesc => Some(Self::UpdatedDesc),
            Wire::UpdatedAsc => Some(Self::UpdatedAsc),
            Wire::TitleAsc => Some(Self::TitleAsc),
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
