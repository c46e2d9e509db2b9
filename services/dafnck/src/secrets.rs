//! The secrets of the local suite, made once and kept beside its data.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use shared::config::Secret;
use tempfile::NamedTempFile;

use crate::private_file::read_json;

/// The name of the file; only its owner may read it.
const FILE: &str = "suite-secrets";
/// Letters and digits of a secret: more than 256 bits.
const LENGTH: usize = 48;

/// What the local suite keeps secret.
#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Secrets {
    role_password: String,
    service_secret: String,
    /// A data directory from before personal data was encrypted has none; it gets them at its next start.
    #[serde(default)]
    encryption_keys: String,
}

impl Secrets {
    /// Those of a suite that has run on this data directory.
    ///
    /// # Errors
    /// When there are none.
    pub fn read(data_directory: &Path) -> anyhow::Result<Self> {
        let path = data_directory.join(FILE);
        read_json(&path)?.with_context(|| format!("there is no {}", path.display()))
    }

    /// Those of the data directory, which is made if missing.
    pub(super) fn load_or_make(data_directory: &Path) -> anyhow::Result<Self> {
        if data_directory.join(FILE).exists() {
            return Self::read(data_directory)?.completed(data_directory);
        }
        // Passed through by the servers' user, who is another one when root runs us.
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(data_directory);
        made.with_context(|| format!("cannot make the directory {}", data_directory.display()))?;
        let encryption_keys = random_keys();
        let secrets = Self { role_password: random(), service_secret: random(), encryption_keys };
        let path = data_directory.join(FILE);
        // Whoever comes second when two start at once is refused.
        let saved = secrets.write(data_directory)?.persist_noclobber(&path);
        saved.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(secrets)
    }

    fn completed(mut self, data_directory: &Path) -> anyhow::Result<Self> {
        if self.encryption_keys.is_empty() {
            self.encryption_keys = random_keys();
            let path = data_directory.join(FILE);
            let saved = self.write(data_directory)?.persist(&path);
            saved.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(self)
    }

    /// Beside its place, so that it gets there whole or not at all.
    fn write(&self, data_directory: &Path) -> anyhow::Result<NamedTempFile> {
        let unfinished = tempfile::Builder::new().permissions(private()).tempfile_in(data_directory)?;
        unfinished.as_file().write_all(&serde_json::to_vec_pretty(self)?)?;
        unfinished.as_file().sync_all()?;
        Ok(unfinished)
    }

    /// The password of the services' PostgreSQL roles.
    pub(crate) fn role_password(&self) -> Secret {
        self.role_password.as_str().into()
    }

    /// The key with which the services sign their calls.
    pub fn service_secret(&self) -> Secret {
        self.service_secret.as_str().into()
    }

    /// The keys that personal data is encrypted under.
    pub(super) fn encryption_keys(&self) -> Secret {
        self.encryption_keys.as_str().into()
    }
}

/// One key, under the name `1`.
fn random_keys() -> String {
    format!("1:{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

fn private() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

fn random() -> String {
    rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("a/b");
        let made = Secrets::load_or_make(&data).unwrap();
        let again = Secrets::load_or_make(&data).unwrap();
        assert_eq!(made.service_secret(), again.service_secret());
        assert_eq!(made.encryption_keys(), again.encryption_keys());
        assert_eq!(made.role_password.len(), LENGTH);
        assert_ne!(made.role_password, made.service_secret);
        assert_eq!(data.join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    #[test]
    fn a_former_data_directory_gets_encryption_keys_and_keeps_its_other_secrets() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), r#"{"role_password": "a", "service_secret": "b"}"#).unwrap();
        let completed = Secrets::load_or_make(directory.path()).unwrap();
        assert_eq!((completed.role_password.as_str(), completed.service_secret.as_str()), ("a", "b"));
        assert!(!completed.encryption_keys.is_empty());
        let again = Secrets::load_or_make(directory.path()).unwrap();
        assert_eq!(completed.encryption_keys, again.encryption_keys);
    }
}
