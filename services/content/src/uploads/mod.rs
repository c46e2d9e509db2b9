//! Uploads: the bytes of a file arrive in one stream or in several, then the upload becomes an attachment.
//!
//! Bytes are stored in parts of [`part_buffer::PART_BYTES`]. Each part is one object, whose row is inserted before it is written.
//! After each part, the size and the state of the hash are committed, so that any process can continue. Completing an
//! upload copies nothing: its parts become those of the blob.

mod digest;
mod mime_type;
mod part_buffer;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod upload_stream;
mod wire;
mod write_parts;
pub(crate) mod writer;

use std::io::Write;

use crate::schema::uploads;
use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
use diesel::{Insertable, Queryable, Selectable};
use serde_json::Value;
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use crate::targets::EntityType;

pub(crate) use part_buffer::PARTS_PREFIX;

/// Open uploads that one user may have.
pub const MAX_OPEN_UPLOADS: i64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum UploadState {
    Open,
    Completed,
    Cancelled,
    Expired,
}

impl UploadState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl ToSql<Text, Pg> for UploadState {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Text, Pg> for UploadState {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let label = std::str::from_utf8(value.as_bytes())?;
        let all = [Self::Open, Self::Completed, Self::Cancelled, Self::Expired];
        let known = all.into_iter().find(|state| state.as_str() == label);
        known.ok_or_else(|| format!("unknown upload state {label:?}").into())
    }
}

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, check_for_backend(Pg))]
pub struct Upload {
    pub id: Uuid,
    pub attachment_id: Uuid,
    pub entity_type: EntityType,
    pub entity_id: Uuid,
    pub project_id: Uuid,
    pub uploader_id: Uuid,
    /// Without directories and control characters.
    pub filename: String,
    pub original_filename: String,
    pub metadata: Value,
    /// As declared; `None` if the stream may have any size.
    pub size: Option<i64>,
    /// As declared, in lower-case hexadecimal.
    pub sha256: Option<String>,
    pub state: UploadState,
    pub committed_size: i64,
    /// The state of SHA-256 after the stored bytes.
    pub digest: Option<Vec<u8>>,
    pub mime_type: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl Upload {
    pub fn committed(&self) -> u64 {
        u64::try_from(self.committed_size).unwrap_or_default()
    }

    /// The state at this time: an upload expires before the collector has recorded it.
    pub fn state_at(&self, now: DateTime<Utc>) -> UploadState {
        match self.state {
            UploadState::Open if self.expires_at <= now => UploadState::Expired,
            state => state,
        }
    }

    pub fn require_open(&self, now: DateTime<Utc>) -> Result<()> {
        match self.state_at(now) {
            UploadState::Open => Ok(()),
            UploadState::Expired => {
                Err(Error::precondition(ErrorReason::UploadExpired, "the upload has expired"))
            }
            state @ (UploadState::Completed | UploadState::Cancelled) => Err(Error::Precondition {
                reason: ErrorReason::UploadClosed,
                message: format!("the upload is {}", state.as_str()),
                metadata: vec![("state", state.as_str().to_owned())],
            }),
        }
    }

    /// Accepts bytes from any offset up to the committed one.
    pub fn require_offset(&self, offset: u64) -> Result<()> {
        if offset > self.committed() { Err(self.offset_mismatch()) } else { Ok(()) }
    }

    pub fn offset_mismatch(&self) -> Error {
        Error::Precondition {
            reason: ErrorReason::UploadOffsetMismatch,
            message: format!("continue at byte {}", self.committed_size),
            metadata: vec![("committed_offset", self.committed_size.to_string())],
        }
    }

    /// Fails with `UPLOAD_TOO_LONG` or `TOO_LARGE` if the file may not have `end` bytes.
    pub fn require_size_allowed(&self, end: u64, max_bytes: u64) -> Result<()> {
        match self.size.map(|size| u64::try_from(size).unwrap_or_default()) {
            Some(size) if end > size => Err(Error::InvalidFor {
                reason: ErrorReason::UploadTooLong,
                message: format!("the upload was declared with {size} bytes"),
                metadata: vec![("size", size.to_string())],
            }),
            None if end > max_bytes => Err(too_large(max_bytes)),
            _ => Ok(()),
        }
    }

    /// Checks the size and the hash of the whole file.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_INCOMPLETE`), `INVALID_ARGUMENT` for an empty file, `DATA_LOSS`
    /// (`CHECKSUM_MISMATCH`).
    pub fn require_complete(&self, actual_sha256: &str, expected_sha256: Option<&str>) -> Result<()> {
        if let Some(size) = self.size.filter(|size| *size != self.committed_size) {
            return Err(Error::Precondition {
                reason: ErrorReason::UploadIncomplete,
                message: format!("{} of {size} bytes are stored", self.committed_size),
                metadata: vec![
                    ("committed_offset", self.committed_size.to_string()),
                    ("size", size.to_string()),
                ],
            });
        }
        if self.committed_size == 0 {
            return Err(Error::invalid("chunk", "the file must have at least one byte"));
        }
        let declared = [expected_sha256, self.sha256.as_deref()].into_iter().flatten();
        match declared.into_iter().find(|expected| *expected != actual_sha256) {
            Some(expected) => Err(Error::ChecksumMismatch {
                expected: expected.to_owned(),
                actual: actual_sha256.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

pub(crate) fn too_large(max_bytes: u64) -> Error {
    Error::InvalidFor {
        reason: ErrorReason::TooLarge,
        message: format!("the file is larger than {max_bytes} bytes"),
        metadata: vec![("limit_bytes", max_bytes.to_string())],
    }
}
