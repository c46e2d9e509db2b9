//! A Redis that speaks nothing but TLS, for tests.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use super::command::Identity;
use super::ports;
use super::provision_redis;
use super::tethered::{Place, Tethered};

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Certificate {
    /// The chain.
    pub chain: String,
    /// The private key.
    pub key: String,
}

/// A running Redis with TLS.
pub struct EncryptedRedis {
    /// With the password, at `127.0.0.1`.
    pub url: String,
    _server: Tethered,
}

impl EncryptedRedis {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When Redis cannot be found or fetched, or does not start.
    pub async fn start(
        cache: &Path,
        certificate: &Certificate,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let identity = Identity::of_servers()?;
        let (cache, _) = super::places::reachable(cache, identity)?;
        let program = provision_redis::find_or_install(None, &cache, identity, &progress).await?;
        let (place, port) = (Place::make()?, ports::free()?);
        let chain = place.write("chain.pem", &certificate.chain)?;
        let key = place.write("key.pem", &certificate.key)?;
        let password = hex::encode(rand::random::<[u8; 32]>());
        let settings = format!(
            "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no\n\
             requirepass {password}\nsave \"\"\ndir {}\n",
            chain.display(),
            key.display(),
            place.folder.display()
        );
        let settings = place.write("redis.conf", &settings)?;
        let settings = settings.to_str().context("the folder's path is not UTF-8")?;
        let server = Tethered::spawn(&place, &program, "redis-server", &[settings])?;
        server.wait_until(async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await?;
        Ok(Self { url: format!("rediss://:{password}@127.0.0.1:{port}/0"), _server: server })
    }
}
