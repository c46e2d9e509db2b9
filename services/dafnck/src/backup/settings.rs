//! Where the suite of a data directory is backed up to: written by the first `dafnck backup`, followed by the suite.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::remove_if_there;
use crate::paths::refuse_nested;
use crate::private_file::{read_json, write_private};

const FILE: &str = "backup.json";

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct BackupSettings {
    /// The backup directory.
    pub directory: PathBuf,
    /// The second one, kept equal.
    #[serde(default)]
    pub mirror: Option<PathBuf>,
}

impl BackupSettings {
    /// Those of a data directory; `None` if it is not backed up.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn read(data_directory: &Path) -> anyhow::Result<Option<Self>> {
        read_json(&data_directory.join(FILE))
    }

    /// Writes them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, data_directory: &Path) -> anyhow::Result<()> {
        write_private(&data_directory.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Refuses a backup or a mirror inside the data or each other, or the reverse.
    pub(super) fn refuse_nested(&self, data_directory: &Path) -> anyhow::Result<()> {
        let backup = ("the backup directory", self.directory.as_path());
        let servers = local_servers::server_directory(data_directory)?;
        let data = [data_directory, servers.as_path()].map(|data| ("the data directory", data));
        let mirror = self.mirror.iter().map(|mirror| ("the mirror", mirror.as_path()));
        for data in data {
            refuse_nested(backup, data)?;
            mirror.clone().try_for_each(|mirror| refuse_nested(mirror, data))?;
        }
        mirror.clone().try_for_each(|mirror| refuse_nested(mirror, backup))
    }

    /// Removes them.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(data_directory: &Path) -> anyhow::Result<()> {
        Ok(remove_if_there(&data_directory.join(FILE))?)
    }
}
