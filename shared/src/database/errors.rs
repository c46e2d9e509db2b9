//! What the database's errors mean to a client.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

use crate::error::{Error, ErrorReason};

/// What a broken constraint means. Constraint names are part of the contract between SQL and services.
#[derive(Clone, Copy, Debug)]
pub struct Constraint {
    /// Its name in the catalog.
    pub name: &'static str,
    /// What it means to a client.
    pub rule: Rule,
}

/// What a broken constraint means to a client.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The value of this field is taken.
    Taken(&'static str),
    /// This field holds what it must not.
    Invalid(&'static str, &'static str),
    /// This field names a resource that does not exist.
    Missing(&'static str),
    /// The state of things forbids it; the constraint's detail goes under this metadata key.
    Forbidden(ErrorReason, &'static str, Option<&'static str>),
}

/// Names the constraint that a statement broke.
pub fn constraint_of(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(_, information) => information.constraint_name(),
        _ => None,
    }
}

/// The detail that the database gave with an error.
pub fn detail_of(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(_, information) => information.details(),
        _ => None,
    }
}

/// Explains a statement's error by the constraint it broke; any other error is mapped as usual.
pub fn explain(constraints: &'static [Constraint]) -> impl Fn(DieselError) -> Error {
    move |error| {
        let known = constraint_of(&error).and_then(|name| constraints.iter().find(|c| c.name == name));
        let Some(constraint) = known else { return error.into() };
        match constraint.rule {
            Rule::Taken(field) => Error::AlreadyExists { field },
            Rule::Invalid(field, description) => Error::invalid(field, description),
            Rule::Missing(resource) => Error::NotFound { resource, id: String::new() },
            Rule::Forbidden(reason, message, key) => Error::Precondition {
                reason,
                message: message.to_owned(),
                metadata: key
                    .map(|key| (key, detail_of(&error).unwrap_or_default().to_owned()))
                    .into_iter()
                    .collect(),
            },
        }
    }
}

/// Text of the server's error for a statement that ran into `statement_timeout`; it has no kind in Diesel.
const STATEMENT_TIMEOUT: &str = "canceling statement due to statement timeout";

/// Text of the server's error for a row that a policy refuses: handlers check access first, so this is a membership that
/// ended between the check and the write.
const ROW_SECURITY: &str = "violates row-level security policy";

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(kind, information) => match kind {
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction => Self::unavailable("postgresql", error),
                _ if information.message() == STATEMENT_TIMEOUT => Self::DeadlineExceeded,
                _ if information.message().contains(ROW_SECURITY) => Self::PermissionDenied {
                    reason: ErrorReason::PermissionMissing,
                    message: "you may no longer change this project".to_owned(),
                    metadata: Vec::new(),
                },
                _ if is_disk_full(information.as_ref()) => {
                    Self::Full { dependency: "postgresql", source: error.into() }
                }
                _ if is_server_unavailable(information.message()) => Self::unavailable("postgresql", error),
                _ => Self::internal(error),
            },
            DieselError::BrokenTransactionManager => Self::unavailable("postgresql", error),
            _ => Self::internal(error),
        }
    }
}

/// Whether the server's disk is full (SQLSTATE 53100, which Diesel does not expose). The message may name the file, and the
/// detail the cause.
fn is_disk_full(information: &dyn DatabaseErrorInformation) -> bool {
    let texts = [Some(information.message()), information.details(), information.hint()];
    texts
        .into_iter()
        .flatten()
        .any(|text| text.contains("No space left on device") || text == "Check free disk space.")
}

/// Whether the server stops, starts or has no free connection, or a pooler cannot reach it: passing states, all safe to
/// retry.
fn is_server_unavailable(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "connection closed",
        "deadlock detected",
        "too many connections",
        "sorry, too many clients already",
        "error communicating with the server",
        // PgBouncer.
        "server conn crashed",
        "server login has been failing",
        "cannot connect to server",
        "query_wait_timeout",
        "no more connections allowed",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    /// PostgreSQL's error when it cannot write a transaction's status.
    struct NoRoomForStatus;

    impl DatabaseErrorInformation for NoRoomForStatus {
        fn message(&self) -> &str {
            "could not access status of transaction 0"
        }

        fn details(&self) -> Option<&str> {
            Some("Could not write to file \"pg_xact/0001\" at offset 8192: No space left on device.")
        }

        fn hint(&self) -> Option<&str> {
            None
        }

        fn table_name(&self) -> Option<&str> {
            None
        }

        fn column_name(&self) -> Option<&str> {
            None
        }

        fn constraint_name(&self) -> Option<&str> {
            None
        }

        fn statement_position(&self) -> Option<i32> {
            None
        }
    }

    #[test]
    fn a_full_disk_is_retryable_and_reveals_no_files() {
        let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(NoRoomForStatus));
        let status = Status::from(Error::from(error));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(!status.message().contains("pg_xact"), "{}", status.message());
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.metadata["dependency"].as_str()),
            ("STORAGE_FULL", "postgresql")
        );
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }
}
