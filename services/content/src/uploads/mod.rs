//! Files on their way: an upload gathers bytes, in one stream or in many, and ends as an attachment.
//!
//! Bytes are stored in parts of [`PART_BYTES`], each an object of its own, with its row before it is written. What is
//! stored is committed with the state of the hash after it, so any process can go on from there. Nothing is copied at
//! the end: the parts become those of the attachment's blob.

mod digest;
pub(crate) mod incoming;
mod kind;
mod part_buffer;
pub(crate) mod queries;
pub mod rpc;
mod store;
pub(crate) mod upload_session;
mod wire;

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

use crate::attachments::EntityType;

pub use part_buffer::{PART_BYTES, PARTS_FOLDER};

/// Open uploads that one user may have.
pub const MAX_OPEN_UPLOADS: i64 = 100;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum UploadState {
    /// Takes bytes.
    Open,
    /// Has become an attachment.
    Completed,
    /// Was given up.
    Cancelled,
    /// Got no bytes for too long.
    Expired,
}

impl UploadState {
    /// The label in PostgreSQL.
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

/// A file on its way.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = uploads, check_for_backend(Pg))]
pub struct Upload {
    /// Key.
    pub id: Uuid,
    /// The attachment that it becomes.
    pub attachment_id: Uuid,
    /// Kind of what it is attached to.
    pub entity_type: EntityType,
    /// What it is attached to.
    pub entity_id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// Who uploads it.
    pub uploader_id: Uuid,
    /// Name without folders and control characters.
    pub filename: String,
    /// Name as it was given.
    pub original_filename: String,
    /// Data of the application.
    pub metadata: Value,
    /// Bytes, as announced; `None` if the end of the stream tells.
    pub size: Option<i64>,
    /// SHA-256, as announced, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// Where it stands.
    pub state: UploadState,
    /// How many of its bytes are stored.
    pub committed_size: i64,
    /// State of SHA-256 after them.
    pub digest: Option<Vec<u8>>,
    /// Kind of content, from the bytes.
    pub mime_type: Option<String>,
    /// Begun.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

impl Upload {
    /// Up to where the file is stored.
    pub fn committed(&self) -> u64 {
        u64::try_from(self.committed_size).unwrap_or_default()
    }

    /// Where it stands at this time, whether or not it was looked at since it expired.
    pub fn state_at(&self, now: DateTime<Utc>) -> UploadState {
        match self.state {
            UploadState::Open if self.expires_at <= now => UploadState::Expired,
            state => state,
        }
    }

    /// Lets an upload go on that takes bytes.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_EXPIRED`, `UPLOAD_CLOSED`).
    pub fn require_open(&self, now: DateTime<Utc>) -> Result<()> {
        match self.state_at(now) {
            UploadState::Open => Ok(()),
            UploadState::Expired => {
                Err(Error::precondition(ErrorReason::UploadExpired, "the upload has expired"))
            }
            state @ (UploadState::Completed | UploadState::Cancelled) => Err(Error::Precondition {
                reason: ErrorReason::UploadClosed,
                message: format!("the upload was {} before", state.as_str()),
                metadata: vec![("state", state.as_str().to_owned())],
            }),
        }
    }

    /// Lets bytes come that follow those that are stored, or begin before their end.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_OFFSET_MISMATCH`).
    pub fn require_offset(&self, offset: u64) -> Result<()> {
        if offset > self.committed() { Err(self.offset_mismatch()) } else { Ok(()) }
    }

    /// Bytes that do not fit what is stored.
    pub fn offset_mismatch(&self) -> Error {
        Error::Precondition {
            reason: ErrorReason::UploadOffsetMismatch,
            message: format!("go on at byte {}", self.committed_size),
            metadata: vec![("committed_offset", self.committed_size.to_string())],
        }
    }

    /// Refuses a file that would reach to this byte.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (`UPLOAD_TOO_LONG`, `TOO_LARGE`).
    pub fn require_room(&self, end: u64, max_bytes: u64) -> Result<()> {
        match self.size.map(|size| u64::try_from(size).unwrap_or_default()) {
            Some(size) if end > size => Err(Error::InvalidFor {
                reason: ErrorReason::UploadTooLong,
                message: format!("the upload was announced with {size} bytes"),
                metadata: vec![("size", size.to_string())],
            }),
            None if end > max_bytes => Err(too_large(max_bytes)),
            _ => Ok(()),
        }
    }

    /// Refuses a file that is not all there, or is not the announced one.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_INCOMPLETE`), `INVALID_ARGUMENT` for an empty file, `DATA_LOSS`
    /// (`CHECKSUM_MISMATCH`).
    pub fn require_whole(&self, actual_sha256: &str, expected_sha256: Option<&str>) -> Result<()> {
        if let Some(size) = self.size.filter(|size| *size != self.committed_size) {
            return Err(Error::Precondition {
                reason: ErrorReason::UploadIncomplete,
                message: format!("{} of {size} bytes have arrived", self.committed_size),
                metadata: vec![
                    ("committed_offset", self.committed_size.to_string()),
                    ("size", size.to_string()),
                ],
            });
        }
        if self.committed_size == 0 {
            return Err(Error::invalid("chunk", "the file must have at least one byte"));
        }
        let announced = [expected_sha256, self.sha256.as_deref()].into_iter().flatten();
        match announced.into_iter().find(|expected| *expected != actual_sha256) {
            Some(expected) => Err(Error::ChecksumMismatch {
                expected: expected.to_owned(),
                actual: actual_sha256.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// A file that is larger than the service takes.
pub(crate) fn too_large(max_bytes: u64) -> Error {
    Error::InvalidFor {
        reason: ErrorReason::TooLarge,
        message: format!("the file is larger than {max_bytes} bytes"),
        metadata: vec![("limit_bytes", max_bytes.to_string())],
    }
}
