//! How the operator's commands call running services.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shared::config::{SiblingOptions, TlsOptions};
use shared::service_identity::{PrivateKey, ServiceSigner};
use shared::siblings::Siblings;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::certificates;
use crate::paths::DEFAULT_DATA_DIRECTORY;
use crate::secrets;

/// Under which name the services see an operator who gives none.
pub const DEFAULT_PRINCIPAL: &str = "operator";

/// Where the services are, and what they know the operator by.
#[derive(Args, Clone, Debug)]
pub struct OperatorOptions {
    /// The operator's private key: Ed25519 in PEM. Default: the one that `dafnck` has made for the suite which it runs on
    /// the data directory
    #[arg(long, env = "DAFNCK_OPERATOR_KEY", hide_env_values = true, allow_hyphen_values = true)]
    pub operator_key: Option<PrivateKey>,
    /// The name of that key among the principals: `operator`, or one that begins with `operator-`
    #[arg(long, env = "DAFNCK_OPERATOR_NAME", default_value = DEFAULT_PRINCIPAL)]
    pub operator_name: String,
    /// Data directory of the local suite, to find its operator's key and whether it speaks TLS
    #[arg(long, env = "DAFNCK_DATA_DIRECTORY", default_value = DEFAULT_DATA_DIRECTORY)]
    pub data_directory: PathBuf,
    /// Where the services are.
    #[command(flatten)]
    pub siblings: SiblingOptions,
    /// PEM file with the authorities that services at `https` URLs are checked against. Default: the system's
    #[arg(long, env = "DAFNCK_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// PEM file with the operator's certificate, where services show each other theirs. Default: not set
    #[arg(long, env = "DAFNCK_TLS_CERTIFICATE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key of that certificate. Default: not set
    #[arg(long, env = "DAFNCK_TLS_KEY", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

impl OperatorOptions {
    /// Connections that call as the operator.
    ///
    /// # Errors
    /// When there is no key, or a URL or certificate is malformed.
    pub fn services(&self) -> anyhow::Result<Siblings> {
        let key = match &self.operator_key {
            Some(key) => key.clone(),
            None => secrets::operator_key(&self.data_directory)
                .context("give --operator-key, or --data-directory of a suite that `dafnck` runs")?,
        };
        let tls = TlsOptions {
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            tls_ca: self.tls_ca.clone(),
            tls_client_ca: None,
        };
        let (siblings, tls) = certificates::complete(&self.data_directory, &self.siblings, &tls);
        Siblings::new(&siblings, &tls, &ServiceSigner::new(self.operator_name.as_str(), key))
    }
}

/// A failed call: its message, and a line for each detail that the service gives.
pub(crate) fn explain(status: Status) -> anyhow::Error {
    let hint = match status.code() {
        Code::Unavailable => Some("Is the suite running there?"),
        Code::Unauthenticated => Some("Do the services know this key under this name?"),
        _ => None,
    };
    let details = status.get_error_details();
    let mut lines = vec![format!("{:?}: {}", status.code(), status.message())];
    for violation in details.bad_request().into_iter().flat_map(|details| &details.field_violations) {
        lines.push(format!("{}: {}", violation.field, violation.description));
    }
    for violation in details.precondition_failure().into_iter().flat_map(|details| &details.violations) {
        lines.push(format!("{}: {}", violation.subject, violation.description));
    }
    for violation in details.quota_failure().into_iter().flat_map(|details| &details.violations) {
        lines.push(format!("{}: {}", violation.subject, violation.description));
    }
    if let Some(resource) = details.resource_info() {
        lines.push(format!("{}: {}", resource.resource_type, resource.resource_name));
    }
    if let Some(info) = details.error_info() {
        let mut metadata: Vec<String> =
            info.metadata.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        metadata.sort();
        lines.push(format!("reason: {}{}", info.reason, metadata.concat()));
    }
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        lines.push(format!("try again in {} s", delay.as_secs_f64().ceil()));
    }
    lines.extend(hint.map(str::to_owned));
    anyhow::anyhow!("{}", lines.join("\n  "))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_failed_call_is_explained_with_all_its_details() {
        let mut details = ErrorDetails::with_bad_request_violation("user.email", "must have an @");
        let metadata = HashMap::from([("limit".to_owned(), "3".to_owned())]);
        details.set_error_info("INVALID_FIELDS", "dafnck", metadata);
        details.set_retry_info(Some(Duration::from_millis(2_500)));
        let status = Status::with_error_details(Code::InvalidArgument, "1 field is invalid", details);
        expect_test::expect![[r#"
            InvalidArgument: 1 field is invalid
              user.email: must have an @
              reason: INVALID_FIELDS limit=3
              try again in 3 s"#]]
        .assert_eq(&explain(status).to_string());
        let down = explain(Status::unavailable("tcp connect error")).to_string();
        assert_eq!(down, "Unavailable: tcp connect error\n  Is the suite running there?");
    }
}
