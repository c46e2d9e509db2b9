//! How the operator's commands call running services.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shared::config::{Secret, SiblingOptions, TlsOptions};
use shared::service_identity::ServiceSigner;
use shared::siblings::Siblings;

use crate::run::{self, DEFAULT_DATA_FOLDER, Secrets};

/// Under which name the services see the operator.
const PRINCIPAL: &str = "operator";

/// Where the services are, and what they know the operator by.
#[derive(Args, Clone, Debug)]
pub struct OperatorOptions {
    /// Key with which the services of the suite sign their calls. Default: that of the suite which `dafnck` runs on
    /// the data folder
    #[arg(long, env = "DAFNCK_SERVICE_SECRET", hide_env_values = true)]
    pub service_secret: Option<Secret>,
    /// Data folder of the local suite, to find its service secret and whether it speaks TLS
    #[arg(long, env = "DAFNCK_DATA_FOLDER", default_value = DEFAULT_DATA_FOLDER)]
    pub data_folder: PathBuf,
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
    /// When there is no service secret, or a URL or certificate is malformed.
    pub fn services(&self) -> anyhow::Result<Siblings> {
        let secret = match &self.service_secret {
            Some(secret) => secret.clone(),
            None => Secrets::read(&self.data_folder)
                .context("give --service-secret, or --data-folder of a suite that `dafnck` runs")?
                .service_secret(),
        };
        let tls = TlsOptions {
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            tls_ca: self.tls_ca.clone(),
            tls_client_ca: None,
        };
        let (siblings, tls) = run::complete(&self.data_folder, &self.siblings, &tls);
        Siblings::new(&siblings, &tls, &ServiceSigner::new(PRINCIPAL, secret))
    }
}

/// A failed call, in a sentence.
pub(crate) fn explain(status: tonic::Status) -> anyhow::Error {
    let hint = match status.code() {
        tonic::Code::Unavailable => ". Is the suite running there?",
        tonic::Code::Unauthenticated => ". Is it the suite's service secret?",
        _ => "",
    };
    anyhow::anyhow!("{:?}: {}{hint}", status.code(), status.message())
}
