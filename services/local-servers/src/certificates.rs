//! TLS of the private servers: their certificates, as files that only they can read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::OsUser;
use crate::connection_info::{AUTHORITY, TLS_DIRECTORY};
use crate::data_directory::OpenDataDirectory;
use crate::paths::make_own_directory;
use shared::config::Secret;

/// Whoever does not encrypt is no client.
const ACCESS: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n\
                      hostssl replication all 127.0.0.1/32 scram-sha-256\n";

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain.
    pub chain: String,
    /// The private key.
    pub key: Secret,
}

/// What the servers show, and whom clients have to trust for it.
#[derive(Clone, Debug)]
pub struct ServerCertificates {
    /// PEM of the authorities.
    pub authority: String,
    /// For `127.0.0.1`.
    pub postgres: Certificate,
    /// For `127.0.0.1`.
    pub redis: Certificate,
}

/// The files of servers that speak nothing but TLS.
#[derive(Clone)]
pub(crate) struct TlsDirectory {
    directory: PathBuf,
    identity: OsUser,
}

impl TlsDirectory {
    /// Writes the files, or removes them where the servers are to speak plain text.
    pub(crate) fn make(
        data: &OpenDataDirectory,
        certificates: Option<&ServerCertificates>,
    ) -> Result<Option<Self>> {
        let made = Self { directory: data.path.join(TLS_DIRECTORY), identity: data.identity };
        let Some(certificates) = certificates else {
            if made.directory.exists() {
                fs::remove_dir_all(&made.directory)
                    .context("cannot remove the certificates of an earlier run")?;
            }
            return Ok(None);
        };
        make_own_directory(&made.directory)?;
        made.write(certificates)?;
        Ok(Some(made))
    }

    /// Puts certificates in the place of the former ones.
    pub(crate) fn write(&self, certificates: &ServerCertificates) -> Result<()> {
        self.put(AUTHORITY, &certificates.authority, 0o644)?;
        self.put("pg_hba.conf", ACCESS, 0o644)?;
        for (name, of) in [("postgres", &certificates.postgres), ("redis", &certificates.redis)] {
            self.put(&format!("{name}.key"), of.key.expose(), 0o600)?;
            self.put(&format!("{name}.pem"), &of.chain, 0o644)?;
        }
        Ok(())
    }

    fn put(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let unfinished = self.directory.join("unfinished");
        if unfinished.exists() {
            fs::remove_file(&unfinished)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        self.identity.change_owner(&unfinished)?;
        fs::rename(&unfinished, self.directory.join(name)).with_context(|| format!("cannot write {name}"))
    }

    /// The authorities that clients have to trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join(AUTHORITY)
    }

    pub(crate) fn postgres_settings(&self) -> Vec<String> {
        let path = |file: &str| self.directory.join(file).display().to_string();
        vec![
            "ssl=on".to_owned(),
            "ssl_min_protocol_version=TLSv1.2".to_owned(),
            format!("ssl_cert_file={}", path("postgres.pem")),
            format!("ssl_key_file={}", path("postgres.key")),
            format!("hba_file={}", path("pg_hba.conf")),
        ]
    }

    /// Names and values of Redis' settings, which it also takes while it runs.
    pub(crate) fn redis_settings(&self) -> [(&'static str, String); 2] {
        let path = |file: &str| self.directory.join(file).display().to_string();
        [("tls-cert-file", path("redis.pem")), ("tls-key-file", path("redis.key"))]
    }
}
