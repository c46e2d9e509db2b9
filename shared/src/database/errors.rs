//! What the database's errors mean to a client.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

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

/// Text of the server's error for a row that a policy refuses: handlers ask first, so this is a membership that
/// ended between the question and the write.
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
                _ if is_server_going(information.message()) => Self::unavailable("postgresql", error),
                _ => Self::internal(error),
            },
            DieselError::BrokenTransactionManager => Self::unavailable("postgresql", error),
            _ => Self::internal(error),
        }
    }
}

/// Whether the server said that it stops, starts, or has no room: passing states, all safe to retry.
fn is_server_going(message: &str) -> bool {
    [
        "terminating connection",
        "the database system is",
        "connection closed",
        "deadlock detected",
        "too many connections",
        "sorry, too many clients already",
        "error communicating with the server",
    ]
    .iter()
    .any(|text| message.contains(text))
}
