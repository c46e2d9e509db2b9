//! Conversion of imported items, validated like in the public methods.

use crate::schema::DocumentStatus;
use chrono::{DateTime, Utc};
use proto::content::admin::v1 as pb;
use proto::content::admin::v1::import_attachment_request;
use shared::error::{Error, Result};
use shared::validation::{MAX_BATCH, Violations};
use uuid::Uuid;

use super::ImportItem;
use crate::attachments::AttachmentInput;
use crate::attachments::wire::{filename, sha256, target};
use crate::documents::wire::{change_summary, content, content_type};
use crate::documents::{MAX_TITLE_CHARS, NewDocument};
use crate::uploads::upload_stream::{Part, UploadMessage};
use crate::versions::NewVersion;
use crate::versions::wire::version_number;

pub(super) struct ImportBatch {
    pub(super) documents: Vec<ImportItem<NewDocument>>,
    pub(super) versions: Vec<ImportItem<NewVersion>>,
}

impl TryFrom<pb::ImportDocumentsRequest> for ImportBatch {
    type Error = Error;

    fn try_from(request: pb::ImportDocumentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.at_most("documents", request.documents.len(), MAX_BATCH);
        v.at_most("versions", request.versions.len(), MAX_BATCH);
        v.finish()?;
        Ok(Self {
            documents: request.documents.into_iter().map(validate_document).collect(),
            versions: request.versions.into_iter().map(validate_version).collect(),
        })
    }
}

fn item<T>(line: u64, v: &Violations, value: T) -> ImportItem<T> {
    ImportItem { line, value: v.sentence().map_or(Ok(value), Err) }
}

fn validate_document(given: pb::ImportedDocument) -> ImportItem<NewDocument> {
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

fn validate_version(given: pb::ImportedDocumentVersion) -> ImportItem<NewVersion> {
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

pub(super) struct AttachmentImport {
    pub(super) attachment: AttachmentInput,
    pub(super) uploader_id: Uuid,
    pub(super) created_at: Option<DateTime<Utc>>,
}

pub(super) fn validate_file(given: pb::ImportedAttachment) -> ImportItem<AttachmentImport> {
    let mut v = Violations::new();
    let file = AttachmentImport {
        attachment: AttachmentInput {
            id: v.uuid("id", &given.id),
            target: target(&mut v, given.target),
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
