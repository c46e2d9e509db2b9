//! The one error type of the suite and its one mapping to `tonic::Status`.
//!
//! Variants differ only where a client would act differently. What is private (a driver's text, a
//! query, a path) stays in the source chain of [`Error::Internal`] and [`Error::Unavailable`]: it is
//! logged once, here, and the client sees a bland sentence.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

pub use crate::proto::common::ErrorReason;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "dafnck";

/// When to try again what a full disk did not take: somebody has to come and make room.
const FULL_RETRY: Duration = Duration::from_secs(10);

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
    pub fn without_place(&self) -> &Self {
        match self {
            Self::Item { source, .. } => source.without_place(),
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

    /// The canonical code (google.rpc.Code).
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::InvalidFor { .. } => Code::InvalidArgument,
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::Stale { .. } | Self::Conflict { .. } => Code::Aborted,
            Self::Precondition { .. } => Code::FailedPrecondition,
            Self::Unauthenticated { .. } => Code::Unauthenticated,
            Self::PermissionDenied { .. } => Code::PermissionDenied,
            Self::Exhausted { .. } | Self::Full { .. } => Code::ResourceExhausted,
            Self::ChecksumMismatch { .. } => Code::DataLoss,
            Self::CursorExpired => Code::OutOfRange,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unavailable { .. } => Code::Unavailable,
            Self::Item { source, .. } => source.code(),
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The documented reason.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::NotFound { .. } => ErrorReason::ResourceNotFound,
            Self::AlreadyExists { .. } => ErrorReason::AlreadyExists,
            Self::Stale { .. } => ErrorReason::EtagMismatch,
            Self::InvalidFor { reason, .. }
            | Self::Conflict { reason, .. }
            | Self::Precondition { reason, .. }
            | Self::Unauthenticated { reason, .. }
            | Self::PermissionDenied { reason, .. }
            | Self::Exhausted { reason, .. } => *reason,
            Self::ChecksumMismatch { .. } => ErrorReason::ChecksumMismatch,
            Self::CursorExpired => ErrorReason::CursorExpired,
            Self::DeadlineExceeded => ErrorReason::DeadlineExceeded,
            Self::Unavailable { .. } => ErrorReason::DependencyUnavailable,
            Self::Full { .. } => ErrorReason::StoreFull,
            Self::Item { source, .. } => source.reason(),
            Self::Internal(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        if let Self::Item { index, source } = self {
            let mut metadata = source.metadata();
            metadata.insert("index".to_owned(), index.to_string());
            return metadata;
        }
        let pairs: Vec<(&'static str, String)> = match self {
            Self::NotFound { resource, id } => vec![("resource", (*resource).into()), ("id", id.clone())],
            Self::AlreadyExists { field } => vec![("field", (*field).into())],
            Self::Stale { etag } => vec![("etag", etag.clone())],
            Self::InvalidFor { metadata, .. }
            | Self::Conflict { metadata, .. }
            | Self::Precondition { metadata, .. }
            | Self::PermissionDenied { metadata, .. } => metadata.clone(),
            Self::ChecksumMismatch { expected, actual } => {
                vec![("expected", expected.clone()), ("actual", actual.clone())]
            }
            Self::Unavailable { dependency, .. } | Self::Full { dependency, .. } => {
                vec![("dependency", (*dependency).into())]
            }
            Self::Internal(_) => vec![("trace_id", crate::telemetry::current_trace_id())],
            Self::Invalid(_)
            | Self::Item { .. }
            | Self::Unauthenticated { .. }
            | Self::Exhausted { .. }
            | Self::CursorExpired
            | Self::DeadlineExceeded => Vec::new(),
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), shortened(value))).collect()
    }

    fn details(&self) -> ErrorDetails {
        let reason = self.reason().as_str_name().trim_start_matches("ERROR_REASON_");
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, ERROR_DOMAIN, self.metadata());
        match self.without_place() {
            Self::Invalid(violations) => {
                details.set_bad_request(violations.clone());
            }
            Self::NotFound { resource, id } => {
                details.set_resource_info(*resource, id, "", "");
            }
            Self::Precondition { message, .. } => {
                details.add_precondition_failure_violation(reason, "", message);
            }
            Self::Exhausted { retry_after, .. } => {
                details.set_retry_info(Some(*retry_after));
            }
            Self::Full { .. } => {
                details.set_retry_info(Some(FULL_RETRY));
            }
            _ => {}
        }
        details
    }

    fn log(&self) {
        match self {
            Self::Internal(source) => {
                tracing::error!(error = %chain(source.as_ref()), "a call failed for a defect of ours");
            }
            Self::Unavailable { dependency, source } => {
                tracing::warn!(dependency, error = %chain(source.as_ref()), "a dependency did not answer");
            }
            Self::Full { dependency, source } => {
                tracing::error!(dependency, error = %chain(source.as_ref()), "a disk is full: make room");
            }
            _ => {}
        }
    }
}

/// Longest value in an error's metadata, in characters: it travels in a header.
const MAX_METADATA_CHARS: usize = 2_000;

/// A long list of ids (of a long cycle) is cut between two ids, and says so.
fn shortened(value: String) -> String {
    let Some((end, _)) = value.char_indices().nth(MAX_METADATA_CHARS) else { return value };
    let kept = value.get(..end).unwrap_or_default();
    format!("{},...", kept.rsplit_once(',').map_or(kept, |(whole, _)| whole))
}

/// An error and all that caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.log();
        let status = Status::with_error_details(error.code(), error.to_string(), error.details());
        match error {
            Error::Conflict { detail, .. } => with_detail(&status, *detail),
            _ => status,
        }
    }
}

/// Adds a detail that is not one of google.rpc's to those that a status has.
fn with_detail(status: &Status, detail: prost_types::Any) -> Status {
    let mut details = tonic_types::pb::Status::decode(status.details()).unwrap_or_default();
    details.details.push(detail);
    Status::with_details(status.code(), status.message(), details.encode_to_vec().into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_carries_its_own_detail_beside_the_usual_ones() {
        let detail = prost_types::Any { type_url: "type.googleapis.com/x".to_owned(), value: vec![1] };
        let error = Error::Conflict {
            reason: ErrorReason::EditConflict,
            message: "both changed it".to_owned(),
            metadata: vec![("conflicts", "1".to_owned())],
            detail: Box::new(detail.clone()),
        };
        let status = Status::from(error);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.metadata["conflicts"].as_str()), ("EDIT_CONFLICT", "1"));
        let details = tonic_types::pb::Status::decode(status.details()).unwrap().details;
        assert_eq!((status.code(), details.last()), (Code::Aborted, Some(&detail)));
    }

    #[test]
    fn long_lists_are_cut_between_two_ids() {
        let id = uuid::Uuid::nil().to_string();
        let cut = shortened(vec![id.as_str(); 500].join(","));
        assert!(cut.len() <= MAX_METADATA_CHARS + 4 && cut.ends_with(&format!("{id},...")));
        assert_eq!(shortened("short".to_owned()), "short");
    }
}
