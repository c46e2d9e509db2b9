//! What a data directory remembers of the suite that runs on it: `suite.json`, written by `dafnck run`, read by the next
//! start and by every command that talks to the suite.

use std::path::Path;

use anyhow::ensure;
use content::storage::BucketOptions;
use local_servers::suite::{DEFAULT_GATEWAY_PORT, DatabaseTopology};
use serde::{Deserialize, Serialize};
use shared::config::{DEFAULT_PORTS, Secret};

use crate::private_file::{read_json, write_private};

const FILE: &str = "suite.json";
/// Of the form of the file. What a newer program has written is not guessed at.
const VERSION: u32 = 1;
/// Loopback port of the console, unless told otherwise.
pub const DEFAULT_CONSOLE_PORT: u16 = 50055;
/// Loopback ports of the private servers, unless told otherwise.
pub const DEFAULT_POSTGRES_PORT: u16 = 54320;
/// See [`DEFAULT_POSTGRES_PORT`].
pub const DEFAULT_REDIS_PORT: u16 = 63790;

/// Where a local suite is, and of which form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct SuiteSettings {
    /// Of the form of the file.
    pub version: u32,
    /// Ports of identity, project, task and content.
    pub ports: [u16; 4],
    /// Port of all of them together.
    pub gateway_port: u16,
    /// Whether the console is served.
    #[serde(default = "default_console")]
    pub console: bool,
    /// Port of the console.
    #[serde(default = "default_console_port")]
    pub console_port: u16,
    /// Port of PostgreSQL.
    pub postgres_port: u16,
    /// Port of Redis.
    pub redis_port: u16,
    /// One database or four.
    pub databases: DatabaseTopology,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The bucket of its files, if they are not in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketSettings>,
}

/// A bucket, with the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct BucketSettings {
    url: String,
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

impl Default for SuiteSettings {
    fn default() -> Self {
        Self {
            version: VERSION,
            ports: DEFAULT_PORTS,
            gateway_port: DEFAULT_GATEWAY_PORT,
            console: default_console(),
            console_port: default_console_port(),
            postgres_port: DEFAULT_POSTGRES_PORT,
            redis_port: DEFAULT_REDIS_PORT,
            databases: DatabaseTopology::default(),
            tls: false,
            bucket: None,
        }
    }
}

/// Data directories from before there was a console have no word on it.
const fn default_console() -> bool {
    true
}

const fn default_console_port() -> u16 {
    DEFAULT_CONSOLE_PORT
}

impl SuiteSettings {
    /// Those of a data directory; `None` if no suite has run on it.
    ///
    /// # Errors
    /// When they are damaged or of a newer program.
    pub fn read(data_directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_directory.join(FILE);
        let found: Option<Self> = read_json(&path)?;
        if let Some(Self { version, .. }) = &found {
            ensure!(*version == VERSION, "{} is of a newer `dafnck` (version {version})", path.display());
        }
        Ok(found)
    }

    /// Writes them, whole or not at all, for their owner alone: an account may be among them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, data_directory: &Path) -> anyhow::Result<()> {
        write_private(&data_directory.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// The URL of all services together.
    pub fn gateway_url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.gateway_port)
    }

    /// The URL of the console, if it is served.
    pub fn console_url(&self) -> Option<String> {
        self.console.then(|| format!("http://127.0.0.1:{}", self.console_port))
    }

    /// The bucket of the files: as the options say, else as it is remembered.
    pub fn bucket(&self, given: &BucketOptions) -> BucketOptions {
        match (&given.storage_url, &self.bucket) {
            (None, Some(remembered)) => remembered.clone().into(),
            _ => given.clone(),
        }
    }
}

impl BucketSettings {
    /// Of these options; `None` if they name no bucket.
    pub fn of(options: &BucketOptions) -> Option<Self> {
        let secret = options.storage_secret_access_key.as_ref();
        Some(Self {
            url: options.storage_url.clone()?,
            endpoint: options.storage_endpoint.clone(),
            region: options.storage_region.clone(),
            access_key_id: options.storage_access_key_id.clone(),
            secret_access_key: secret.map(|secret| secret.expose().to_owned()),
        })
    }
}

impl From<BucketSettings> for BucketOptions {
    fn from(settings: BucketSettings) -> Self {
        Self {
            storage_url: Some(settings.url),
            storage_endpoint: settings.endpoint,
            storage_region: settings.region,
            storage_access_key_id: settings.access_key_id,
            storage_secret_access_key: settings.secret_access_key.map(Secret::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(SuiteSettings::read(directory.path()).unwrap(), None);
        let bucket = BucketOptions {
            storage_url: Some("s3://bucket".to_owned()),
            storage_secret_access_key: Some("secret".into()),
            ..BucketOptions::default()
        };
        let settings = SuiteSettings {
            ports: [1, 2, 3, 4],
            databases: DatabaseTopology::Four,
            tls: true,
            bucket: BucketSettings::of(&bucket),
            ..SuiteSettings::default()
        };
        settings.write(directory.path()).unwrap();
        assert_eq!(SuiteSettings::read(directory.path()).unwrap().as_ref(), Some(&settings));
        let mode = directory.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let remembered = settings.bucket(&BucketOptions::default());
        assert_eq!(remembered.storage_url, bucket.storage_url);
        assert_eq!(remembered.storage_secret_access_key, bucket.storage_secret_access_key);
        let other = BucketOptions { storage_url: Some("s3://other".to_owned()), ..BucketOptions::default() };
        assert_eq!(settings.bucket(&other).storage_url, other.storage_url);
    }

    #[test]
    fn a_suite_from_before_there_was_a_console_gets_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut written = serde_json::to_value(SuiteSettings::default()).unwrap();
        for key in ["console", "console_port"] {
            written.as_object_mut().unwrap().remove(key).unwrap();
        }
        fs::write(directory.path().join(FILE), written.to_string()).unwrap();
        let read = SuiteSettings::read(directory.path()).unwrap().unwrap();
        assert_eq!(read.console_url().as_deref(), Some("http://127.0.0.1:50055"));
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused_in_plain_words() {
        let directory = tempfile::tempdir().unwrap();
        let refusal = |text: &str| {
            fs::write(directory.path().join(FILE), text).unwrap();
            format!("{:#}", SuiteSettings::read(directory.path()).unwrap_err())
        };
        let damaged = refusal("[]");
        assert!(damaged.contains("suite.json is damaged") && !damaged.contains("struct"), "{damaged}");
        let newer = SuiteSettings { version: VERSION + 1, ..SuiteSettings::default() };
        let newer = refusal(&serde_json::to_string(&newer).unwrap());
        assert!(newer.ends_with("is of a newer `dafnck` (version 2)"), "{newer}");
    }
}
