//! Why a command failed, as JSON: always the same keys, null where they do not apply.

use anyhow::Error;
use serde::Serialize;

use crate::call_error::CallError;

#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    exit_code: u8,
    /// From the outermost circumstance to the cause.
    message: String,
    /// Empty if no call failed.
    #[serde(flatten)]
    call: CallError,
}

impl ErrorReport {
    pub(crate) fn new(error: &Error, exit_code: u8) -> Self {
        let sentence = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<CallError>() {
            Some(call) => call.message.clone(),
            None => cause.to_string(),
        };
        let message = error.chain().map(sentence).collect::<Vec<_>>().join(": ");
        let call = error.downcast_ref::<CallError>().cloned().unwrap_or_default();
        Self { exit_code, message, call }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;
    use crate::call_error::explain;

    fn json(error: &Error) -> String {
        serde_json::to_string_pretty(&ErrorReport::new(error, 1)).unwrap()
    }

    #[test]
    fn a_failed_call_is_reported_with_all_its_details() {
        let mut details = ErrorDetails::with_bad_request_violation("user.email", "must have an @");
        details.set_error_info("INVALID_FIELDS", "dafnck", [("limit".to_owned(), "3".to_owned())]);
        details.set_resource_info("user", "42", "", "");
        details.set_retry_info(Some(std::time::Duration::from_millis(2_500)));
        let status = Status::with_error_details(Code::InvalidArgument, "1 field is invalid", details);
        expect![[r#"
            {
              "exit_code": 1,
              "message": "sending the users: 1 field is invalid",
              "code": "INVALID_ARGUMENT",
              "reason": "INVALID_FIELDS",
              "metadata": {
                "limit": "3"
              },
              "violations": [
                {
                  "field": "user.email",
                  "description": "must have an @"
                }
              ],
              "resource": {
                "type": "user",
                "name": "42"
              },
              "retry_delay_seconds": 2.5,
              "hint": null
            }"#]]
        .assert_eq(&json(&explain(status).context("sending the users")));
    }

    #[test]
    fn another_error_has_the_same_keys() {
        expect![[r#"
            {
              "exit_code": 1,
              "message": "reading it: no such file",
              "code": null,
              "reason": null,
              "metadata": {},
              "violations": [],
              "resource": null,
              "retry_delay_seconds": null,
              "hint": null
            }"#]]
        .assert_eq(&json(&anyhow::anyhow!("no such file").context("reading it")));
    }
}
