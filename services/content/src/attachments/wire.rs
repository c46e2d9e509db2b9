//! Attachments on the wire.

use std::ops::Range;

use proto::content::v1 as pb;
use proto::content::v1::upload_attachment_request;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::{Attachment, Description, Entity, EntityType, MAX_FILENAME_CHARS};
use crate::uploads::incoming::{Part, UploadMessage};

impl ProtoEnum for EntityType {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match pb::EntityType::try_from(value).ok()? {
            pb::EntityType::Unspecified => None,
            pb::EntityType::Task => Some(Self::Task),
            pb::EntityType::Document => Some(Self::Document),
            pb::EntityType::Project => Some(Self::Project),
        })
    }
}

impl From<EntityType> for i32 {
    fn from(kind: EntityType) -> Self {
        let kind = match kind {
            EntityType::Task => pb::EntityType::Task,
            EntityType::Document => pb::EntityType::Document,
            EntityType::Project => pb::EntityType::Project,
        };
        kind.into()
    }
}

/// What a file is attached to, from its two fields.
pub(crate) fn entity(v: &mut Violations, kind: i32, id: &str) -> Entity {
    let kind = match EntityType::from_wire(kind).flatten() {
        Some(kind) => kind,
        None => {
            v.add("entity_type", "must be a task, a document or a project");
            EntityType::Project
        }
    };
    Entity { kind, id: v.uuid("entity_id", id) }
}

/// A SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(v: &mut Violations, value: String) -> String {
    let is_hash = value.len() == 64 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    v.require(is_hash, "sha256", "must be 64 lower-case hexadecimal digits");
    value
}

/// A name of a file, as it is given.
pub(crate) fn filename(v: &mut Violations, value: String) -> String {
    v.text("filename", value, 1, MAX_FILENAME_CHARS)
}

/// A checked wish for an attachment.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub key: Option<RequestKey>,
    pub description: Description,
}

impl TryFrom<pb::UploadHeader> for Upload {
    type Error = Error;

    fn try_from(header: pb::UploadHeader) -> Result<Self> {
        let mut v = Violations::within("header.");
        let key = RequestKey::of(&mut v, &header.request_id, &header);
        let description = Description {
            id: Uuid::now_v7(),
            entity: entity(&mut v, header.entity_type, &header.entity_id),
            original_filename: filename(&mut v, header.filename),
            sha256: (!header.sha256.is_empty()).then(|| sha256(&mut v, header.sha256)),
            metadata: v.json("metadata", header.metadata),
        };
        v.finish()?;
        Ok(Self { key, description })
    }
}

impl UploadMessage for pb::UploadAttachmentRequest {
    type Header = pb::UploadHeader;

    fn part(self) -> Option<Part<Self::Header>> {
        Some(match self.part? {
            upload_attachment_request::Part::Header(header) => Part::Header(header),
            upload_attachment_request::Part::Chunk(bytes) => Part::Chunk(bytes),
        })
    }
}

/// A checked wish for bytes.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    pub id: Uuid,
    pub range: Range<i64>,
}

impl TryFrom<pb::DownloadAttachmentRequest> for Download {
    type Error = Error;

    fn try_from(request: pb::DownloadAttachmentRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("attachment_id", &request.attachment_id);
        let pb::DownloadAttachmentRequest { offset, length, .. } = request;
        v.require(offset >= 0, "offset", "must not be negative");
        v.require(length >= 0, "length", "must not be negative");
        v.finish()?;
        let end = if length == 0 { i64::MAX } else { offset.saturating_add(length) };
        Ok(Self { id, range: offset..end })
    }
}

/// The id of an attachment.
pub(crate) fn attachment_id(value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("attachment_id", value);
    v.finish()?;
    Ok(id)
}

impl TryFrom<&pb::ListAttachmentsRequest> for Entity {
    type Error = Error;

    fn try_from(request: &pb::ListAttachmentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let entity = entity(&mut v, request.entity_type, &request.entity_id);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(entity)
    }
}

impl From<Attachment> for pb::Attachment {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id.to_string(),
            entity_type: attachment.entity_type.into(),
            entity_id: attachment.entity_id.to_string(),
            project_id: attachment.project_id.to_string(),
            filename: attachment.filename,
            original_filename: attachment.original_filename,
            file_size: attachment.file_size,
            mime_type: attachment.mime_type,
            uploader_id: attachment.uploader_id.to_string(),
            metadata: Some(to_struct(&attachment.metadata)),
            created_at: Some(to_timestamp(attachment.created_at)),
            sha256: attachment.sha256,
        }
    }
}
