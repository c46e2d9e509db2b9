//! Imported items on the wire, with the checks of the public methods.

use crate::schema::DocumentStatus;
use chrono::{DateTime, Utc};
use proto::content::admin::v1 as pb;
use proto::content::admin::v1::import_attachment_request;
use shared::error::{Error, Result};
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::Item;
use crate::attachments::Description;
use crate::attachments::wire::{entity, filename, sha256};
use crate::documents::wire::{change_summary, content, content_type};
use crate::documents::{MAX_TITLE_CHARS, NewDocument};
use crate::uploads::incoming::{Part, UploadMessage};
use crate::versions::NewVersion;
use crate::versions::wire::version_number;

/// A batch, each item checked on its own.
pub(super) struct Batch {
    pub(super) documents: Vec<Item<NewDocument>>,
    pub(super) versions: Vec<Item<NewVersion>>,
}

impl TryFrom<pb::ImportDocumentsRequest> for Batch {
    type Error = Error;

    fn try_from(request: pb::ImportDocumentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.at_most("documents", request.documents.len(), MAX_BATCH);
        v.at_most("versions", request.versions.len(), MAX_BATCH);
        v.finish()?;
        Ok(Self {
            documents: request.documents.into_iter().map(checked_document).collect(),
            versions: request.versions.into_iter().map(checked_version).collect(),
        })
    }
}

fn item<T>(line: u64, v: &Violations, value: T) -> Item<T> {
    Item { line, checked: v.sentence().map_or(Ok(value), Err) }
}

fn checked_document(given: pb::ImportedDocument) -> Item<NewDocument> {
    let mut v = Violations::new();
    let status = v.optional_enum("status", given.status).unwrap_or(DocumentStatus::Draft);
    let created_at = v.optional_time("created_at", given.created_at).unwrap_or_else(Utc::now);
    let published_at = v.optional_time("published_at", given.published_at);
    let document = NewDocument {
        id: v.uuid("id", &given.id),
        project_id: v.uuid("project_id", &given.project_id),
        title: v.line("title", given.title, 1, MAX_TITLE_CHARS),
        content: String::new(),
        content_type: content_type(&mut v, "content_type", given.content_type),
        author_id: v.uuid("author_id", &given.author_id),
        version: 0,
        status,
        tags: v.tags("tags", given.tags),
        metadata: v.json("metadata", given.metadata),
        created_at: Some(created_at),
        updated_at: Some(v.optional_time("updated_at", given.updated_at).unwrap_or(created_at)),
        published_at: published_at.or((status == DocumentStatus::Published).then_some(created_at)),
    };
    item(given.line, &v, document)
}

fn checked_version(given: pb::ImportedDocumentVersion) -> Item<NewVersion> {
    let mut v = Violations::new();
    let version = NewVersion {
        document_id: v.uuid("document_id", &given.document_id),
        version_number: version_number(&mut v, "version_number", given.version_number),
        title: given.title.map(|title| v.line("title", title, 1, MAX_TITLE_CHARS)),
        content: content(&mut v, "content", given.content),
        change_summary: change_summary(&mut v, given.change_summary),
        author_id: v.uuid("author_id", &given.author_id),
        created_at: v.optional_time("created_at", given.created_at),
    };
    item(given.line, &v, version)
}

/// A checked file from elsewhere.
pub(super) struct ImportFile {
    pub(super) description: Description,
    pub(super) uploader_id: Uuid,
    pub(super) created_at: Option<DateTime<Utc>>,
}

pub(super) fn checked_file(given: pb::ImportedAttachment) -> Item<ImportFile> {
    let mut v = Violations::new();
    let file = ImportFile {
        description: Description {
            id: v.uuid("id", &given.id),
            entity: entity(&mut v, given.entity_type, &given.entity_id),
            original_filename: filename(&mut v, given.filename),
            sha256: Some(sha256(&mut v, given.sha256)),
            metadata: v.json("metadata", given.metadata),
        },
        uploader_id: v.uuid("uploader_id", &given.uploader_id),
        created_at: v.optional_time("created_at", given.created_at),
    };
    item(given.line, &v, file)
}

impl UploadMessage for pb::ImportAttachmentRequest {
    type Header = pb::ImportedAttachment;

    fn part(self) -> Option<Part<Self::Header>> {
        Some(match self.part? {
            import_attachment_request::Part::Header(header) => Part::Header(header),
            import_attachment_request::Part::Chunk(bytes) => Part::Chunk(bytes),
        })
    }
}
