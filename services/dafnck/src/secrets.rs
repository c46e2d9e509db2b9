//! The secrets of the local suite, made once and kept beside its data.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use local_servers::role_passwords::RolePasswords;
use local_servers::suite::{NAMES, Role};
use local_servers::suite_keys::{ServiceKeys, SuiteKeys};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};
use shared::config::Secret;
use shared::service_identity::PrivateKey;
use tempfile::NamedTempFile;

use crate::private_file::read_json;

/// The name of the file; only its owner may read it.
const FILE: &str = "suite-secrets";
/// Letters and digits of a secret: more than 256 bits.
const LENGTH: usize = 48;
/// Those who call the services from outside. The private key of each is in a file of its own, `NAME-key`, which the
/// services do not read.
const OUTSIDE_PRINCIPALS: [&str; 2] = ["operator", "backend"];

/// What the local suite keeps secret.
#[derive(Default, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Secrets {
    /// `role:password` pairs.
    role_passwords: String,
    services: BTreeMap<String, ServiceSecrets>,
    /// The public keys of those who call from outside.
    outside_principals: BTreeMap<String, String>,
    encryption_keys: String,
}

/// What one service keeps secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ServiceSecrets {
    /// In PEM.
    private_key: String,
    derivation_secret: String,
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

    /// Those of the data directory, which is created if missing.
    pub(super) fn load_or_make(data_directory: &Path) -> anyhow::Result<Self> {
        let path = data_directory.join(FILE);
        let context = || format!("cannot write {}", path.display());
        if path.exists() {
            let mut secrets = Self::read(data_directory)?;
            if secrets.complete(data_directory)? {
                write(data_directory, &serde_json::to_vec_pretty(&secrets)?)?
                    .persist(&path)
                    .with_context(context)?;
            }
            return Ok(secrets);
        }
        // Passed through by the servers' user, who is another one when root runs us.
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(data_directory);
        made.with_context(|| format!("cannot make the directory {}", data_directory.display()))?;
        let mut secrets = Self::default();
        secrets.complete(data_directory)?;
        // Whoever comes second when two start at once is refused.
        let written = write(data_directory, &serde_json::to_vec_pretty(&secrets)?)?;
        written.persist_noclobber(&path).with_context(context)?;
        Ok(secrets)
    }

    /// Makes what is missing. Returns whether something was.
    fn complete(&mut self, data_directory: &Path) -> anyhow::Result<bool> {
        let mut has_changed = false;
        if self.encryption_keys.is_empty() {
            self.encryption_keys = random_keys();
            has_changed = true;
        }
        if self.role_passwords.is_empty() {
            self.role_passwords = RolePasswords::random(Role::ALL.map(Role::name)).to_text();
            has_changed = true;
        }
        for name in NAMES.into_iter().filter(|name| !self.services.contains_key(*name)).collect::<Vec<_>>() {
            let (private_key, derivation_secret) = (PrivateKey::pem_of(&rand::random()), random());
            self.services.insert(name.to_owned(), ServiceSecrets { private_key, derivation_secret });
            has_changed = true;
        }
        for name in OUTSIDE_PRINCIPALS {
            let path = data_directory.join(format!("{name}-key"));
            // A restored suite has none: whoever restores it makes its operator again.
            if path.exists() && self.outside_principals.contains_key(name) {
                continue;
            }
            let pem = PrivateKey::pem_of(&rand::random());
            self.outside_principals.insert(name.to_owned(), private_key(&pem)?.public_key());
            let written = write(data_directory, pem.as_bytes())?;
            written.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// The passwords of the services' PostgreSQL roles.
    pub(crate) fn role_passwords(&self) -> RolePasswords {
        self.role_passwords.parse().unwrap_or_default()
    }

    /// The keys of the services.
    pub(super) fn suite_keys(&self) -> anyhow::Result<SuiteKeys> {
        let mut services = BTreeMap::new();
        let mut principals = String::new();
        for (name, ServiceSecrets { private_key: pem, derivation_secret }) in &self.services {
            let private_key = private_key(pem)?;
            principals.push_str(&format!("{name}:{},", private_key.public_key()));
            let derivation_secret = derivation_secret.as_str().into();
            services.insert(name.clone(), ServiceKeys { private_key, derivation_secret });
        }
        for (name, key) in &self.outside_principals {
            principals.push_str(&format!("{name}:{key},"));
        }
        let principal_keys =
            principals.parse().map_err(|reason| anyhow!("{FILE}: the list of keys {reason}"))?;
        Ok(SuiteKeys { services, principal_keys })
    }

    /// The keys that personal data is encrypted under.
    pub(super) fn encryption_keys(&self) -> Secret {
        self.encryption_keys.as_str().into()
    }
}

/// The operator's private key, which the local suite has made.
///
/// # Errors
/// When there is none.
pub(crate) fn operator_key(data_directory: &Path) -> anyhow::Result<PrivateKey> {
    let path = data_directory.join("operator-key");
    private_key(&fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
}

fn private_key(pem: &str) -> anyhow::Result<PrivateKey> {
    pem.parse().map_err(|reason| anyhow!("the key {reason}"))
}

/// Beside its place, so that it gets there whole or not at all.
fn write(data_directory: &Path, bytes: &[u8]) -> anyhow::Result<NamedTempFile> {
    let unfinished = tempfile::Builder::new().permissions(private()).tempfile_in(data_directory)?;
    unfinished.as_file().write_all(bytes)?;
    unfinished.as_file().sync_all()?;
    Ok(unfinished)
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
        assert!(made.services == again.services);
        assert_eq!(made.role_passwords(), again.role_passwords());
        assert_eq!(made.encryption_keys(), again.encryption_keys());
        for file in [FILE, "operator-key", "backend-key"] {
            assert_eq!(data.join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn every_principal_has_a_key_of_its_own_and_the_services_know_the_operator_by_its_public_key() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::load_or_make(directory.path()).unwrap();
        let keys = secrets.suite_keys().unwrap();
        let operator = operator_key(directory.path()).unwrap();
        assert!(keys.principal_keys.knows("operator", &operator));
        for (name, own) in &keys.services {
            assert!(keys.principal_keys.knows(name, &own.private_key));
            let others = NAMES.into_iter().chain(OUTSIDE_PRINCIPALS).filter(|other| other != name);
            for other in others {
                assert!(!keys.principal_keys.knows(other, &own.private_key), "{name} is {other}");
            }
        }
        let pem = fs::read_to_string(directory.path().join("operator-key")).unwrap();
        let kept = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert!(!kept.contains(pem.lines().nth(1).unwrap()));
    }
}
