//! Conversion of uploads.

use chrono::{DateTime, Utc};
use proto::content::v1 as pb;
use proto::content::v1::upload_chunks_request;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::{to_struct, to_timestamp};
use shared::validation::Violations;
use uuid::Uuid;

use super::upload_stream::{Part, UploadMessage};
use super::{Upload, UploadState};
use crate::attachments::AttachmentInput;
use crate::attachments::wire::{filename, sha256};
use crate::targets::ContentTarget;
use crate::targets::wire::target;

#[derive(Clone, Debug)]
pub(super) struct CreateUploadInput {
    pub(super) key: Option<RequestKey>,
    pub(super) attachment: AttachmentInput,
    pub(super) size: i64,
}

impl TryFrom<pb::CreateUploadRequest> for CreateUploadInput {
    type Error = Error;

    fn try_from(request: pb::CreateUploadRequest) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let upload = outer.message("upload", request.upload);
        let mut v = Violations::within("upload.");
        let attachment = AttachmentInput {
            id: Uuid::now_v7(),
            target: target(&mut v, upload.target),
            original_filename: filename(&mut v, upload.filename),
            sha256: (!upload.sha256.is_empty()).then(|| sha256(&mut v, upload.sha256)),
            metadata: v.json("metadata", upload.metadata),
        };
        v.require(upload.size > 0, "size", "must be at least 1");
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, attachment, size: upload.size })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct UploadChunksInput {
    pub(super) upload_id: Uuid,
    pub(super) offset: u64,
}

impl TryFrom<pb::UploadChunksHeader> for UploadChunksInput {
    type Error = Error;

    fn try_from(header: pb::UploadChunksHeader) -> Result<Self> {
        let mut v = Violations::within("header.");
        let upload_id = v.uuid("upload_id", &header.upload_id);
        let offset = u64::try_from(header.offset);
        v.require(offset.is_ok(), "offset", "must not be negative");
        v.finish()?;
        Ok(Self { upload_id, offset: offset.unwrap_or_default() })
    }
}

impl UploadMessage for pb::UploadChunksRequest {
    type Header = pb::UploadChunksHeader;

    fn part(self) -> Option<Part<Self::Header>> {
        Some(match self.part? {
            upload_chunks_request::Part::Header(header) => Part::Header(header),
            upload_chunks_request::Part::Chunk(bytes) => Part::Chunk(bytes),
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct CompleteUploadInput {
    pub(super) upload_id: Uuid,
    pub(super) sha256: Option<String>,
}

impl TryFrom<pb::CompleteUploadRequest> for CompleteUploadInput {
    type Error = Error;

    fn try_from(request: pb::CompleteUploadRequest) -> Result<Self> {
        let mut v = Violations::new();
        let upload_id = v.uuid("upload_id", &request.upload_id);
        let sha256 = (!request.sha256.is_empty()).then(|| sha256(&mut v, request.sha256));
        v.finish()?;
        Ok(Self { upload_id, sha256 })
    }
}

pub(super) fn upload_id(value: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("upload_id", value);
    v.finish()?;
    Ok(id)
}

impl From<UploadState> for pb::UploadState {
    fn from(state: UploadState) -> Self {
        match state {
            UploadState::Open => Self::Open,
            UploadState::Completed => Self::Completed,
            UploadState::Cancelled => Self::Cancelled,
            UploadState::Expired => Self::Expired,
        }
    }
}

impl Upload {
    pub(super) fn into_wire(self, now: DateTime<Utc>) -> pb::Upload {
        pb::Upload {
            id: self.id.to_string(),
            attachment_id: self.attachment_id.to_string(),
            target: Some(ContentTarget { entity_type: self.entity_type, id: self.entity_id }.into()),
            project_id: self.project_id.to_string(),
            state: pb::UploadState::from(self.state_at(now)).into(),
            filename: self.original_filename,
            metadata: Some(to_struct(&self.metadata)),
            size: self.size.unwrap_or_default(),
            sha256: self.sha256.unwrap_or_default(),
            committed_offset: self.committed_size,
            created_at: Some(to_timestamp(self.created_at)),
            expires_at: Some(to_timestamp(self.expires_at)),
        }
    }
}
