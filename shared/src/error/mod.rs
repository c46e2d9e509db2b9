//! The one error type of the suite and its one mapping to `tonic::Status`.
//!
//! Variants differ only where a client would act differently. What is private (a driver's text, a
//! query, a path) stays in the source chain of [`Error::Internal`] and [`Error::Unavailable`]: it is
//! logged once, here, and the client sees a bland sentence.

mod status;

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::FieldViolation;

pub use proto::common::ErrorReason;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "dafnck";

/// What the suite's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is malformed; all violations are named.
    #[error("{} field(s) are invalid", .0.len())]
    Invalid(Vec<FieldViolation>),
    /// The request is malformed in a way that has a reason of its own.
    #[error("{message}")]
    InvalidFor {
        /// Which reason.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// There is no such resource for this caller.
    #[error("{resource} {id} not found")]
    NotFound {
        /// Kind of resource, as `task`.
        resource: &'static str,
        /// What was asked for.
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
    /// Others have changed the same thing meanwhile, and both changes cannot stand.
    #[error("{message}")]
    Conflict {
        /// Which kind.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
        /// The detail of its own that the reason documents. It travels in a header: a few KiB at most.
        detail: Box<prost_types::Any>,
    },
    /// The state of things does not allow it.
    #[error("{message}")]
    Precondition {
        /// Which rule.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// Who calls is not known.
    #[error("{message}")]
    Unauthenticated {
        /// Why.
        reason: ErrorReason,
        /// A sentence for the client.
        message: &'static str,
    },
    /// The caller is known and may not.
    #[error("{message}")]
    PermissionDenied {
        /// Why.
        reason: ErrorReason,
        /// A sentence for the client.
        message: String,
        /// Details under the keys that the reason documents.
        metadata: Vec<(&'static str, String)>,
    },
    /// Too much at once.
    #[error("{message}")]
    Exhausted {
        /// Which limit.
        reason: ErrorReason,
        /// A sentence for the client.
        message: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The bytes that arrived are not the announced ones.
    #[error("the content does not match its checksum")]
    ChecksumMismatch {
        /// What was announced.
        expected: String,
        /// What arrived.
        actual: String,
    },
    /// A position that the change log no longer keeps.
    #[error("the position is too old; start from a snapshot")]
    CursorExpired,
    /// The call took too long.
    #[error("the deadline has passed")]
    DeadlineExceeded,
    /// A dependency does not answer.
    #[error("{dependency} is unavailable")]
    Unavailable {
        /// Which one.
        dependency: &'static str,
        /// What it said; never shown to clients.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A dependency has no room left: nothing is written until somebody makes some.
    #[error("there is no room to write this; try again later")]
    Full {
        /// Which one.
        dependency: &'static str,
        /// What it said; never shown to clients.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item of a batch is refused, and with it the batch.
    #[error("item {index}: {source}")]
    Item {
        /// Its place in the batch, counted from 0.
        index: usize,
        /// Why.
        source: Box<Error>,
    },
    /// A defect of ours.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A defect, from a sentence or another error.
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

    /// Says which item of a batch an error is about. Violations name the field with the item; what is no item's
    /// fault stays as it is.
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

    /// The error, whatever item of a batch it is about.
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

    /// A rule that the state of things breaks, without metadata.
    pub fn precondition(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self::Precondition { reason, message: message.into(), metadata: Vec::new() }
    }
}

/// What a sibling service answered, when it is not for the caller to see: `NOT_FOUND` must be handled
/// where it is met; a busy or silent sibling is unavailable; anything else is a defect of ours.
pub fn from_sibling(dependency: &'static str) -> impl Fn(Status) -> Error {
    move |status| match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Cancelled
        | Code::Unknown => Error::unavailable(dependency, status),
        _ => Error::internal(status),
    }
}
