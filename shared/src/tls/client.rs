//! TLS of clients: the authorities they trust, and the certificate they show.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::pem::{authorities, certificates, key};
use super::reloading_file::ReloadingFile;
use crate::config::TlsOptions;

/// A client that trusts these authorities (without any, those of the machine) and shows no certificate.
///
/// # Errors
/// When the authorities cannot be read.
pub fn client_config(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities(ca)?).with_no_client_auth())
}

/// A client that shows the service's own certificate if it is asked for one.
fn sibling_config(options: &TlsOptions) -> anyhow::Result<ClientConfig> {
    let mut config = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(private_key)) => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(authorities(options.tls_ca.as_deref())?)
                .with_client_auth_cert(certificates(certificate)?, key(private_key)?)?
        }
        _ => client_config(options.tls_ca.as_deref())?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Connects to siblings, with the certificates that are in the files at that time.
#[derive(Clone)]
pub(crate) struct SiblingConnector {
    config: Arc<ReloadingFile<ClientConfig>>,
    timeout: Duration,
}

impl SiblingConnector {
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn new(options: &TlsOptions, timeout: Duration) -> anyhow::Result<Self> {
        let files = [&options.tls_certificate, &options.tls_key, &options.tls_ca];
        let files = files.into_iter().flatten().cloned().collect();
        let options = options.clone();
        let config = Arc::new(ReloadingFile::new(files, move || sibling_config(&options))?);
        Ok(Self { config, timeout })
    }
}

impl Service<Uri> for SiblingConnector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = anyhow::Error;
    type Future = BoxFuture<'static, anyhow::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (config, timeout) = (self.config.get(), self.timeout);
        Box::pin(async move {
            let connected = tokio::time::timeout(timeout, connect(&uri, config)).await;
            Ok(TokioIo::new(connected.with_context(|| format!("connecting to {uri} took too long"))??))
        })
    }
}

async fn connect(uri: &Uri, config: Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
    let host = uri.host().context("the URL names no host")?.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).context("the host is no name that a certificate has")?;
    TlsConnector::from(config).connect(name, stream).await.context("the TLS handshake failed")
}
