//! Conversion of attachments.

use std::ops::Range;

use proto::content::v1 as pb;
use proto::content::v1::upload_attachment_request;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::{JsonChange, to_struct, to_timestamp};
use shared::validation::{Mask, Violations};
use uuid::Uuid;

use super::{Attachment, AttachmentInput, MAX_FILENAME_CHARS, safe_filename};
use crate::targets::ContentTarget;
use crate::targets::wire::target;
use crate::uploads::upload_stream::{Part, UploadMessage};

pub(crate) fn sha256(v: &mut Violations, value: String) -> String {
    let is_hash = value.len() == 64 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    v.require(is_hash, "sha256", "must be 64 lower-case hexadecimal digits");
    value
}

pub(crate) fn filename(v: &mut Violations, value: String) -> String {
    v.text("filename", value, 1, MAX_FILENAME_CHARS)
}

#[derive(Clone, Debug)]
pub(crate) struct UploadInput {
    pub key: Option<RequestKey>,
    pub attachment: AttachmentInput,
}

impl TryFrom<pb::UploadHeader> for UploadInput {
    type Error = Error;

    fn try_from(header: pb::UploadHeader) -> Result<Self> {
        let mut v = Violations::within("header.");
        let key = RequestKey::of(&mut v, &header.request_id, &header);
        let attachment = AttachmentInput {
            id: Uuid::now_v7(),
            target: target(&mut v, header.target),
            original_filename: filename(&mut v, header.filename),
            sha256: (!header.sha256.is_empty()).then(|| sha256(&mut v, header.sha256)),
            metadata: v.json("metadata", header.metadata),
        };
        v.finish()?;
        Ok(Self { key, attachment })
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

#[derive(Clone, Debug)]
pub(crate) struct DownloadInput {
    pub id: Uuid,
    pub range: Range<i64>,
}

impl TryFrom<pb::DownloadAttachmentRequest> for DownloadInput {
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

pub(crate) fn attachment_id(value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("attachment_id", value);
    v.finish()?;
    Ok(id)
}

#[derive(Clone, Debug)]
pub(crate) struct UpdateAttachmentInput {
    pub id: Uuid,
    pub etag: String,
    /// A safe name.
    pub filename: Option<String>,
    pub metadata: Option<JsonChange>,
}

impl TryFrom<pb::UpdateAttachmentRequest> for UpdateAttachmentInput {
    type Error = Error;

    fn try_from(request: pb::UpdateAttachmentRequest) -> Result<Self> {
        const CHANGEABLE: &[&str] = &["filename", "metadata"];
        let mut v = Violations::within("attachment.");
        let attachment = v.message("attachment", request.attachment);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = v.uuid("id", &attachment.id);
        let filename =
            mask.pick("filename", attachment.filename, |name| safe_filename(&filename(&mut v, name)));
        let metadata = mask.pick_json(&mut v, "metadata", attachment.metadata, request.metadata_patch);
        v.finish()?;
        Ok(Self { id, etag: attachment.etag, filename, metadata })
    }
}

impl TryFrom<&pb::ListAttachmentsRequest> for ContentTarget {
    type Error = Error;

    fn try_from(request: &pb::ListAttachmentsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let target = target(&mut v, request.target.clone());
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(target)
    }
}

impl From<Attachment> for pb::Attachment {
    fn from(attachment: Attachment) -> Self {
        Self {
            id: attachment.id.to_string(),
            target: Some(attachment.target().into()),
            project_id: attachment.project_id.to_string(),
            filename: attachment.filename,
            original_filename: attachment.original_filename,
            file_size: attachment.file_size,
            mime_type: attachment.mime_type,
            uploader_id: attachment.uploader_id.to_string(),
            metadata: Some(to_struct(&attachment.metadata)),
            created_at: Some(to_timestamp(attachment.created_at)),
            updated_at: Some(to_timestamp(attachment.updated_at)),
            sha256: attachment.sha256,
            etag: etag::of(attachment.row_version),
        }
    }
}
