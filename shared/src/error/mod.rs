//! The one error type of the suite and its one mapping to `tonic::Status`.
//!
//! Variants differ only where a client would act differently. Private text (of a driver, a query, a path) stays in the
//! source chain of [`Error::Internal`] and [`Error::Unavailable`]: it is logged once, here, and the client sees a neutral
//! sentence.

mod code_name;
mod status;
mod trailers;

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::FieldViolation;

pub use code_name::code_name;
pub use proto::common::ErrorReason;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "dafnck";

/// The result of the suite's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are invalid. The client sees as many violations as fit into a header, and the number of the
    /// others.
    #[error("{} field(s) are invalid", .0.len())]
    Invalid(Vec<FieldViolation>),
    /// The request is invalid for a reason of its own.
    #[error("{message}")]
    InvalidFor {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// The resource does not exist, or the caller may not see it.
    #[error("{resource} {id} not found")]
    NotFound {
        /// The kind of resource, as `task`.
        resource: &'static str,
        /// Its id or name.
        id: String,
    },
    /// A unique value is taken.
    #[error("{field} is already taken")]
    AlreadyExists {
        /// The field whose value is taken.
        field: &'static str,
    },
    /// The resource changed since the caller read it.
    #[error("the resource has changed; read it again")]
    Stale {
        /// The current etag.
        etag: String,
    },
    /// Others have changed the same part of the resource meanwhile.
    #[error("{message}")]
    Conflict {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
        /// The detail that the reason documents. It travels in a header: a few KiB at most.
        detail: Box<prost_types::Any>,
    },
    /// The state of the resource does not allow the call.
    #[error("{message}")]
    Precondition {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// The caller is not authenticated.
    #[error("{message}")]
    Unauthenticated {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: &'static str,
    },
    /// The caller may not make the call.
    #[error("{message}")]
    PermissionDenied {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// A limit on the rate or amount of work is reached.
    #[error("{message}")]
    Exhausted {
        /// The reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: &'static str,
        /// After which time to retry.
        retry_after: Duration,
    },
    /// The received bytes do not match their checksum.
    #[error("the content does not match its checksum")]
    ChecksumMismatch {
        /// The announced checksum.
        expected: String,
        /// The checksum of the received bytes.
        actual: String,
    },
    /// The position is older than the changes that are kept.
    #[error("the position is too old; start from a snapshot")]
    CursorExpired,
    /// The deadline has passed.
    #[error("the deadline has passed")]
    DeadlineExceeded,
    /// A dependency does not answer.
    #[error("{dependency} is unavailable")]
    Unavailable {
        /// The name of the dependency.
        dependency: &'static str,
        /// Its error; never shown to clients.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk of a dependency is full.
    #[error("there is no room to write this; try again later")]
    Full {
        /// The name of the dependency.
        dependency: &'static str,
        /// Its error; never shown to clients.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item of a batch is refused, and with it the batch.
    #[error("item {index}: {source}")]
    Item {
        /// Its index in the batch, from 0.
        index: usize,
        /// The error of the item.
        source: Box<Error>,
    },
    /// A defect of the server.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A defect of the server, from a sentence or another error.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// A dependency that does not answer.
    pub fn unavailable(
        dependency: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { dependency, source: source.into() }
    }

    /// A resource that the caller does not see.
    pub fn not_found(resource: &'static str, id: impl ToString) -> Self {
        Self::NotFound { resource, id: id.to_string() }
    }

    /// Adds to an error which item of a batch it is about. Violations name the field with the item; an error that is not
    /// about the item stays as it is.
    pub fn of_item(index: usize) -> impl Fn(Self) -> Self {
        move |error| match error {
            Self::Invalid(violations) => {
                let of_item = |violation: FieldViolation| {
                    FieldViolation::new(
                        format!("requests[{index}].{}", violation.field),
                        violation.description,
                    )
                };
                Self::Invalid(violations.into_iter().map(of_item).collect())
            }
            Self::DeadlineExceeded | Self::Unavailable { .. } | Self::Full { .. } | Self::Internal(_) => {
                error
            }
            refused => Self::Item { index, source: Box::new(refused) },
        }
    }

    /// The error without the index of the item that it is about.
    pub fn without_item(&self) -> &Self {
        match self {
            Self::Item { source, .. } => source.without_item(),
            error => error,
        }
    }

    /// A single malformed field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldViolation::new(field, description)])
    }

    /// A failed precondition without metadata.
    pub fn precondition(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Precondition { reason, message: message.into(), metadata: Vec::new() }
    }
}

/// The error of a call to a sibling service, which its own caller must not see: a busy or silent sibling is unavailable,
/// and so is one whose connection broke, which tonic reports as `INTERNAL` with a source. Anything else is a defect. Handle
/// `NOT_FOUND` before.
pub fn from_sibling(dependency: &'static str) -> impl Fn(Status) -> Error {
    move |status| match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Cancelled
        | Code::Unknown => Error::unavailable(dependency, status),
        _ if std::error::Error::source(&status).is_some() => Error::unavailable(dependency, status),
        _ => Error::internal(status),
    }
}
