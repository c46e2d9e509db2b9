//! How the operator's commands call running services.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use shared::config::{SiblingOptions, TlsOptions};
use shared::service_identity::{PrivateKey, ServiceSigner};
use shared::siblings::Siblings;

use crate::certificates;
use crate::ports::{PortOptions, Ports};
use crate::secrets;
use crate::suite_settings::SuiteSettings;

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
    /// Data directory of the local suite.
    #[arg(from_global)]
    pub data_directory: PathBuf,
    /// Where the services are.
    #[command(flatten)]
    pub services: ServiceUrls,
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
    pub fn connect(&self) -> anyhow::Result<Siblings> {
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
        let (siblings, tls) = self.services.find(&self.data_directory, &tls)?;
        connect(&siblings, &tls, &self.operator_name, key)
    }
}

/// Connections that call as the operator of this name.
///
/// # Errors
/// When a URL or certificate is malformed.
pub(crate) fn connect(
    siblings: &SiblingOptions,
    tls: &TlsOptions,
    name: &str,
    key: PrivateKey,
) -> anyhow::Result<Siblings> {
    Siblings::new(siblings, tls, &ServiceSigner::new(name, key))
}

/// Where the services are, if they are not where the data directory says.
#[derive(Args, Clone, Debug, Default)]
pub struct ServiceUrls {
    /// Ports of a local suite.
    #[command(flatten)]
    pub ports: PortOptions,
    /// URL of an identity service elsewhere. Default: that of the local suite
    #[arg(long, env = "DAFNCK_IDENTITY_URL")]
    pub identity_url: Option<String>,
    /// URL of a project service elsewhere. Default: that of the local suite
    #[arg(long, env = "DAFNCK_PROJECT_URL")]
    pub project_url: Option<String>,
    /// URL of a task service elsewhere. Default: that of the local suite
    #[arg(long, env = "DAFNCK_TASK_URL")]
    pub task_url: Option<String>,
    /// URL of a content service elsewhere. Default: that of the local suite
    #[arg(long, env = "DAFNCK_CONTENT_URL")]
    pub content_url: Option<String>,
}

impl ServiceUrls {
    /// What the options say, and what they leave open as the data directory remembers it: ports, and certificates where
    /// the suite speaks TLS.
    ///
    /// # Errors
    /// When what the data directory remembers cannot be read.
    pub(crate) fn find(
        &self,
        data_directory: &Path,
        tls: &TlsOptions,
    ) -> anyhow::Result<(SiblingOptions, TlsOptions)> {
        let local = SuiteSettings::read(data_directory)?.unwrap_or_default();
        let ports = self.ports.ports.map_or(local.ports, |Ports(ports)| ports);
        let scheme = if local.tls { "https" } else { "http" };
        let url = |given: &Option<String>, port: u16| {
            given.clone().unwrap_or_else(|| format!("{scheme}://127.0.0.1:{port}"))
        };
        let [identity, project, task, content] = ports;
        let siblings = SiblingOptions {
            identity_url: url(&self.identity_url, identity),
            project_url: url(&self.project_url, project),
            task_url: url(&self.task_url, task),
            content_url: url(&self.content_url, content),
        };
        let mut tls = tls.clone();
        if local.tls && tls.tls_ca.is_none() {
            let own = certificates::of_operator(data_directory);
            tls.tls_ca = own.tls_ca;
            if tls.tls_certificate.is_none() {
                (tls.tls_certificate, tls.tls_key) = (own.tls_certificate, own.tls_key);
            }
        }
        Ok((siblings, tls))
    }
}

impl From<SiblingOptions> for ServiceUrls {
    fn from(siblings: SiblingOptions) -> Self {
        let SiblingOptions { identity_url, project_url, task_url, content_url } = siblings;
        let [identity_url, project_url, task_url, content_url] =
            [identity_url, project_url, task_url, content_url].map(Some);
        Self { ports: PortOptions::default(), identity_url, project_url, task_url, content_url }
    }
}
