//! The passwords of the private servers, and the file that they last in.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Where the passwords are, in the data directory.
pub(crate) const SECRETS: &str = "secrets";
/// Where the database is, in the data directory.
pub(crate) const POSTGRES: &str = "postgres";
const PASSWORD_BYTES: usize = 32;

/// The servers' passwords, kept in `secrets` (mode 0600) beside lasting data.
#[derive(Clone, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Secrets {
    pub(crate) postgres_admin_password: String,
    pub(crate) redis_password: String,
}

impl Secrets {
    pub(crate) fn random() -> Self {
        Self { postgres_admin_password: random_password(), redis_password: random_password() }
    }

    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(SECRETS);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    pub(crate) fn load_or_make(directory: &Path) -> Result<Self> {
        let path = directory.join(SECRETS);
        if path.exists() {
            return Self::read(directory);
        }
        if directory.join(POSTGRES).exists() {
            bail!(
                "{} holds a database, but its `secrets` file is missing: put it back, or remove the directory to start anew",
                directory.display()
            );
        }
        let secrets = Self::random();
        secrets.save(&path)?;
        Ok(secrets)
    }

    /// Whole or not at all: a half-written file would lock us out of the data.
    fn save(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension("new");
        // The mode counts for a new file only.
        if unfinished.exists() {
            fs::remove_file(&unfinished)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn random_password() -> String {
    hex::encode(rand::random::<[u8; PASSWORD_BYTES]>())
}
