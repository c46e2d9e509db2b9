//! A set of migrations: the scripts of one schema, embedded in a program or read from a directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use include_dir::Dir;
use sha2::{Digest, Sha256};

/// Migrations that belong together, and the schema of their ledger.
#[derive(Clone, Debug)]
pub struct Set {
    /// Name of the schema, and of the directory below `migrations/`.
    pub name: &'static str,
    /// Whether the set joins the schemas of several services, and needs them first.
    pub joins_schemas: bool,
    scripts: Scripts,
}

#[derive(Clone, Debug)]
enum Scripts {
    Embedded(&'static Dir<'static>),
    Directory(PathBuf),
}

/// One migration.
#[derive(Clone, Debug)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: i32,
    /// Name of the directory, as `0001_baseline`.
    pub name: String,
    /// Applies the migration.
    pub up: String,
    /// Reverts the migration.
    pub down: String,
    /// A query that returns a sentence for each row that would break the migration.
    pub preflight: Option<String>,
}

impl Migration {
    /// SHA-256 of the up script in hexadecimal.
    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(&self.up))
    }

    fn read(name: String, script: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let version = name.split('_').next().and_then(|number| number.parse().ok());
        let required = |file: &str| script(file).with_context(|| format!("{name} has no {file}"));
        Ok(Self {
            version: version.with_context(|| format!("{name} is not named NNNN_name"))?,
            up: required("up.sql")?,
            down: required("down.sql")?,
            preflight: script("preflight.sql"),
            name,
        })
    }
}

impl Set {
    /// The schema of one service, embedded in the program.
    pub const fn of_service(name: &'static str, scripts: &'static Dir<'static>) -> Self {
        Self { name, joins_schemas: false, scripts: Scripts::Embedded(scripts) }
    }

    /// Foreign keys between schemas that share a database, embedded in the program.
    pub const fn joining(name: &'static str, scripts: &'static Dir<'static>) -> Self {
        Self { name, joins_schemas: true, scripts: Scripts::Embedded(scripts) }
    }

    /// The same set with the scripts of a directory.
    pub fn from_directory(name: &'static str, joins_schemas: bool, directory: &Path) -> Self {
        Self { name, joins_schemas, scripts: Scripts::Directory(directory.to_owned()) }
    }

    /// The migrations of this set in order.
    ///
    /// # Errors
    /// When a directory is not named `NNNN_name` or lacks a script.
    pub fn migrations(&self) -> anyhow::Result<Vec<Migration>> {
        let mut migrations = match &self.scripts {
            Scripts::Embedded(root) => root.dirs().map(embedded).collect::<anyhow::Result<Vec<_>>>()?,
            Scripts::Directory(root) => read_all(root)?,
        };
        migrations.sort_by_key(|migration| migration.version);
        Ok(migrations)
    }
}

fn embedded(directory: &Dir<'_>) -> anyhow::Result<Migration> {
    Migration::read(name_of(directory.path()), |file| {
        let found = directory.get_file(directory.path().join(file)).and_then(|file| file.contents_utf8());
        found.map(str::to_owned)
    })
}

fn read_all(root: &Path) -> anyhow::Result<Vec<Migration>> {
    let entries = root.read_dir().with_context(|| format!("cannot read {}", root.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let directories = paths.into_iter().filter(|path| path.is_dir());
    directories
        .map(|path| Migration::read(name_of(&path), |file| std::fs::read_to_string(path.join(file)).ok()))
        .collect()
}

fn name_of(directory: &Path) -> String {
    directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
