//! What a client sees of an error, and what is logged.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::trailers::{cut_message, cut_metadata, cut_violations};
use super::{ERROR_DOMAIN, Error, ErrorReason};

/// After which time to retry a write that a full disk has refused: an operator has to free space.
const STORAGE_FULL_RETRY_AFTER: Duration = Duration::from_secs(10);

impl Error {
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
            Self::Full { .. } => ErrorReason::StorageFull,
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
        cut_metadata(pairs)
    }

    fn details(&self) -> ErrorDetails {
        let reason = self.reason().as_str_name().trim_start_matches("ERROR_REASON_");
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, ERROR_DOMAIN, self.metadata());
        match self.without_item() {
            Self::Invalid(violations) => {
                details.set_bad_request(cut_violations(violations));
            }
            Self::NotFound { resource, id } => {
                details.set_resource_info(*resource, cut_message(id), "", "");
            }
            Self::Precondition { message, .. } => {
                details.add_precondition_failure_violation(reason, "", cut_message(message));
            }
            Self::Exhausted { retry_after, .. } => {
                details.set_retry_info(Some(*retry_after));
            }
            Self::Full { .. } => {
                details.set_retry_info(Some(STORAGE_FULL_RETRY_AFTER));
            }
            _ => {}
        }
        details
    }

    fn log(&self) {
        match self {
            Self::Internal(source) => {
                tracing::error!(error = %chain(source.as_ref()), "a call failed for a defect of the server");
            }
            Self::Unavailable { dependency, source } => {
                tracing::warn!(dependency, error = %chain(source.as_ref()), "a dependency did not answer");
            }
            Self::Full { dependency, source } => {
                tracing::error!(dependency, error = %chain(source.as_ref()), "a disk is full: free some space");
            }
            _ => {}
        }
    }
}

/// An error and its causes, in one line.
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
        let status =
            Status::with_error_details(error.code(), cut_message(&error.to_string()), error.details());
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
}
