//! TLS of the server: its certificate, and the client certificates of services.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::pem::{authorities, certificates, key};
use super::reloading_file::ReloadingFile;
use crate::config::TlsOptions;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Protocols offered by ALPN: HTTP/2, and HTTP/1.1 for gRPC-Web.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The server's certificate, as its files are now.
#[derive(Clone)]
pub(crate) struct ServerTls(Arc<ReloadingFile<ServerConfig>>);

impl ServerTls {
    /// `None` for a server that speaks plain text.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn new(options: &TlsOptions) -> anyhow::Result<Option<Self>> {
        if options.tls_certificate.is_none() {
            return Ok(None);
        }
        let files = [&options.tls_certificate, &options.tls_key, &options.tls_client_ca];
        let files = files.into_iter().flatten().cloned().collect();
        let options = options.clone();
        Ok(Some(Self(Arc::new(ReloadingFile::new(files, move || server_config(&options))?))))
    }

    /// The connection after its handshake; `None` if that fails or takes too long.
    pub(crate) async fn handshake(&self, connection: TcpStream) -> Option<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(self.0.get()).accept(connection);
        let outcome = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await.ok()?;
        outcome.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()
    }
}

fn server_config(options: &TlsOptions) -> anyhow::Result<ServerConfig> {
    let (Some(certificate), Some(private_key)) = (&options.tls_certificate, &options.tls_key) else {
        anyhow::bail!("a server's certificate needs its key");
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match &options.tls_client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            // Users' clients have none; that services have one is checked when they authenticate as services.
            let roots = Arc::new(authorities(Some(path))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
    };
    let mut config = builder.with_single_cert(certificates(certificate)?, key(private_key)?)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}
