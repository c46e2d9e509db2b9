//! The secrets of the local suite, made once and kept beside its data.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use shared::config::Secret;

/// The name of the file; only its owner may read it.
const FILE: &str = "suite-secrets";
/// Letters and digits of a secret: more than 256 bits.
const LENGTH: usize = 48;

/// What the local suite keeps secret.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    role_password: String,
    service_secret: String,
}

impl Secrets {
    /// Those of a suite that has run on this data folder.
    ///
    /// # Errors
    /// When there are none.
    pub fn read(data_folder: &Path) -> anyhow::Result<Self> {
        let path = data_folder.join(FILE);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged; remove it", path.display()))
    }

    /// Those of the data folder, which is made if missing.
    pub(super) fn load_or_make(data_folder: &Path) -> anyhow::Result<Self> {
        if data_folder.join(FILE).exists() {
            return Self::read(data_folder);
        }
        // Passed through by the servers' user, who is another one when root runs us.
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(data_folder);
        made.with_context(|| format!("cannot make the folder {}", data_folder.display()))?;
        let secrets = Self { role_password: random(), service_secret: random() };
        secrets.save(data_folder)?;
        Ok(secrets)
    }

    /// Whole or not at all. Whoever comes second when two start at once is refused.
    fn save(&self, data_folder: &Path) -> anyhow::Result<()> {
        let unfinished = tempfile::Builder::new().permissions(private()).tempfile_in(data_folder)?;
        unfinished.as_file().write_all(&serde_json::to_vec_pretty(self)?)?;
        unfinished.as_file().sync_all()?;
        let path = data_folder.join(FILE);
        unfinished.persist_noclobber(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// The password of the services' PostgreSQL roles.
    pub(super) fn role_password(&self) -> Secret {
        self.role_password.as_str().into()
    }

    /// The key with which the services sign their calls.
    pub fn service_secret(&self) -> Secret {
        self.service_secret.as_str().into()
    }
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
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let made = Secrets::load_or_make(&data).unwrap();
        let again = Secrets::load_or_make(&data).unwrap();
        assert_eq!(made.service_secret(), again.service_secret());
        assert_eq!(made.role_password.len(), LENGTH);
        assert_ne!(made.role_password, made.service_secret);
        assert_eq!(data.join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
