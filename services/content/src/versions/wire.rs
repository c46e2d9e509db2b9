//! Conversion of versions.

use proto::content::v1 as pb;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::Violations;
use uuid::Uuid;

use super::{ListedVersion, Version, VersionHead};

#[derive(Clone, Copy, Debug)]
pub(crate) struct GetVersionInput {
    pub id: Uuid,
    pub number: i32,
}

impl TryFrom<pb::GetDocumentVersionRequest> for GetVersionInput {
    type Error = Error;

    fn try_from(request: pb::GetDocumentVersionRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("document_id", &request.document_id);
        let number = version_number(&mut v, "version_number", request.version_number);
        v.finish()?;
        Ok(Self { id, number })
    }
}

pub(crate) fn version_number(v: &mut Violations, field: &str, number: i32) -> i32 {
    v.require(number >= 1, field, "must be at least 1");
    number
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ListVersionsInput {
    pub id: Uuid,
    pub include_content: bool,
}

impl TryFrom<&pb::ListDocumentVersionsRequest> for ListVersionsInput {
    type Error = Error;

    fn try_from(request: &pb::ListDocumentVersionsRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("document_id", &request.document_id);
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { id, include_content: request.include_content })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RestoreVersionInput {
    pub key: Option<RequestKey>,
    pub id: Uuid,
    pub number: i32,
    pub etag: String,
}

impl TryFrom<pb::RestoreDocumentVersionRequest> for RestoreVersionInput {
    type Error = Error;

    fn try_from(request: pb::RestoreDocumentVersionRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let id = v.uuid("document_id", &request.document_id);
        let number = version_number(&mut v, "version_number", request.version_number);
        v.finish()?;
        Ok(Self { key, id, number, etag: request.etag })
    }
}

impl From<VersionHead> for pb::DocumentVersion {
    fn from(head: VersionHead) -> Self {
        Self {
            id: head.id.to_string(),
            document_id: head.document_id.to_string(),
            version_number: head.version_number,
            title: head.title,
            content: None,
            change_summary: head.change_summary,
            author_id: head.author_id.to_string(),
            created_at: Some(to_timestamp(head.created_at)),
        }
    }
}

impl From<ListedVersion> for pb::DocumentVersion {
    fn from(version: ListedVersion) -> Self {
        Self { content: version.content, ..version.head.into() }
    }
}

impl From<Version> for pb::DocumentVersion {
    fn from(version: Version) -> Self {
        Self { content: Some(version.content), ..version.head.into() }
    }
}
