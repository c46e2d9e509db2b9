//! Where the suite of a data folder is backed up to: written by the first `dafnck backup`, followed by the suite.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::files::remove_if_there;
use super::folder::write_private;

const FILE: &str = "backup.json";

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSettings {
    /// The backup folder.
    pub folder: PathBuf,
    /// The second one, kept equal.
    #[serde(default)]
    pub mirror: Option<PathBuf>,
}

impl BackupSettings {
    /// Those of a data folder; `None` if it is not backed up.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn read(data_folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_folder.join(FILE);
        match fs::read(&path) {
            Ok(text) => Ok(Some(
                serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, data_folder: &Path) -> anyhow::Result<()> {
        write_private(&data_folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Removes them.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(data_folder: &Path) -> anyhow::Result<()> {
        Ok(remove_if_there(&data_folder.join(FILE))?)
    }
}
