//! Calls that failed: the status of a service with all its details, for people and as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use shared::error::code_name;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A call that a service refused, or that did not reach it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallError {
    /// Canonical name of the gRPC code.
    code: Option<&'static str>,
    /// The service's sentence.
    #[serde(skip)]
    pub(crate) message: String,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
    violations: Vec<Violation>,
    resource: Option<Resource>,
    retry_delay_seconds: Option<f64>,
    hint: Option<&'static str>,
}

/// What is wrong with a field, a precondition or a quota.
#[derive(Clone, Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

#[derive(Clone, Debug, Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

impl std::error::Error for CallError {}

/// A failed call as an error of a command.
pub(crate) fn explain(status: Status) -> anyhow::Error {
    CallError::from(&status).into()
}

/// Why a service refused something, in one line.
pub(crate) fn reason_of(status: &Status) -> String {
    let CallError { message, violations, .. } = status.into();
    match violations.is_empty() {
        true => message,
        false => violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "),
    }
}

impl From<&Status> for CallError {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let resource = details.resource_info();
        let retry = details.retry_info().and_then(|info| info.retry_delay);
        Self {
            code: Some(code_name(status.code())),
            message: status.message().to_owned(),
            reason: info.map(|info| info.reason.clone()),
            metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            violations: violations(&details),
            resource: resource.map(|resource| Resource {
                kind: resource.resource_type.clone(),
                name: resource.resource_name.clone(),
            }),
            retry_delay_seconds: retry.map(|delay| delay.as_secs_f64()),
            hint: match status.code() {
                Code::Unavailable => Some("Is the suite running there?"),
                Code::Unauthenticated => Some("Do the services know this key under this name?"),
                _ => None,
            },
        }
    }
}

/// The message, and a line for each detail that the service gives.
impl fmt::Display for CallError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code.unwrap_or_default(), self.message)?;
        for violation in &self.violations {
            write!(out, "\n  {violation}")?;
        }
        if let Some(Resource { kind, name }) = &self.resource {
            write!(out, "\n  {kind}: {name}")?;
        }
        if let Some(reason) = &self.reason {
            write!(out, "\n  reason: {reason}")?;
            self.metadata.iter().try_for_each(|(key, value)| write!(out, " {key}={value}"))?;
        }
        if let Some(delay) = self.retry_delay_seconds {
            write!(out, "\n  try again in {} s", delay.ceil())?;
        }
        self.hint.map_or(Ok(()), |hint| write!(out, "\n  {hint}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.description)
    }
}

fn violations(details: &ErrorDetails) -> Vec<Violation> {
    let fields = details.bad_request().into_iter().flat_map(|details| &details.field_violations);
    let fields = fields.map(|violation| (&violation.field, &violation.description));
    let states = details.precondition_failure().into_iter().flat_map(|details| &details.violations);
    let states = states.map(|violation| (&violation.subject, &violation.description));
    let quotas = details.quota_failure().into_iter().flat_map(|details| &details.violations);
    let quotas = quotas.map(|violation| (&violation.subject, &violation.description));
    let all = fields.chain(states).chain(quotas);
    all.map(|(field, why)| Violation { field: field.clone(), description: why.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;

    fn status() -> Status {
        let mut details = ErrorDetails::with_bad_request_violation("user.email", "must have an @");
        let metadata = HashMap::from([("limit".to_owned(), "3".to_owned())]);
        details.set_error_info("INVALID_FIELDS", "dafnck", metadata);
        details.set_retry_info(Some(Duration::from_millis(2_500)));
        Status::with_error_details(Code::InvalidArgument, "1 field is invalid", details)
    }

    #[test]
    fn a_failed_call_is_explained_with_all_its_details() {
        assert_eq!(reason_of(&status()), "user.email: must have an @");
        expect_test::expect![[r#"
            INVALID_ARGUMENT: 1 field is invalid
              user.email: must have an @
              reason: INVALID_FIELDS limit=3
              try again in 3 s"#]]
        .assert_eq(&explain(status()).to_string());
        let down = explain(Status::unavailable("tcp connect error")).to_string();
        assert_eq!(down, "UNAVAILABLE: tcp connect error\n  Is the suite running there?");
    }
}
