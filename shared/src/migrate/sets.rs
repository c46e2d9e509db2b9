//! The embedded scripts.

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

static SCRIPTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../migrations");

/// Scripts that belong together, and the schema of their ledger.
#[derive(Debug)]
pub struct Set {
    /// Folder below `migrations/`.
    pub name: &'static str,
}

/// The identity service's schema.
pub const IDENTITY: Set = Set { name: "identity" };
/// The project service's schema.
pub const PROJECT: Set = Set { name: "project" };
/// The task service's schema.
pub const TASK: Set = Set { name: "task" };
/// The content service's schema.
pub const CONTENT: Set = Set { name: "content" };
/// Foreign keys between schemas that share a database.
pub const REFERENCES: Set = Set { name: "references" };
/// The sets of the four services.
pub const SERVICES: [Set; 4] = [IDENTITY, PROJECT, TASK, CONTENT];

/// One migration.
#[derive(Clone, Debug)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: i32,
    /// Name of the folder, as `0001_roles`.
    pub name: String,
    /// What brings it about.
    pub up: String,
    /// What takes it back.
    pub down: String,
    /// One query that answers a sentence for each row that would break it, where rows can.
    pub preflight: Option<String>,
}

impl Migration {
    /// SHA-256 of the up script in hexadecimal.
    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(&self.up))
    }
}

impl Set {
    /// The migrations of this set in order.
    ///
    /// # Errors
    /// When a folder is not named `NNNN_name` or lacks a script.
    pub fn migrations(&self) -> anyhow::Result<Vec<Migration>> {
        let folder =
            SCRIPTS.get_dir(self.name).ok_or_else(|| anyhow::anyhow!("no migrations for {}", self.name))?;
        let mut migrations = folder.dirs().map(migration).collect::<anyhow::Result<Vec<_>>>()?;
        migrations.sort_by_key(|migration| migration.version);
        Ok(migrations)
    }
}

fn migration(folder: &Dir<'_>) -> anyhow::Result<Migration> {
    let name = folder.path().file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let version = name.split('_').next().and_then(|number| number.parse().ok());
    let find = |file: &str| {
        let found = folder.get_file(folder.path().join(file)).and_then(|file| file.contents_utf8());
        found.map(str::to_owned)
    };
    let script = |file: &str| find(file).ok_or_else(|| anyhow::anyhow!("{name} has no {file}"));
    Ok(Migration {
        version: version.ok_or_else(|| anyhow::anyhow!("{name} is not named NNNN_name"))?,
        up: script("up.sql")?,
        down: script("down.sql")?,
        preflight: find("preflight.sql"),
        name,
    })
}
