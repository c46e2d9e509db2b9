//! Passwords and keys of the suite: without them nobody signs in to a restored database, and what is encrypted in it
//! stays encrypted. Each change of them is kept, so that a moment is restored with those that it had.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDateTime, Utc};

use super::directory::BackupDirectory;
use super::origin::SecretsSource;
use crate::private_file::write_private;

/// Those of the servers, in the data directory that they really use, and those of the services.
const SERVERS: &str = "secrets";
const SUITE: &str = "suite-secrets";
const TIME: &str = "%Y%m%dT%H%M%S%.6fZ";

/// What is kept, as it is on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretsSnapshot {
    /// Of PostgreSQL and Redis.
    pub servers: Vec<u8>,
    /// Of the services.
    pub suite: Vec<u8>,
}

impl SecretsSnapshot {
    fn read(servers: &Path, suite: &Path) -> anyhow::Result<Self> {
        let read = |path: PathBuf| fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        Ok(Self { servers: read(servers.join(SERVERS))?, suite: read(suite.join(SUITE))? })
    }

    /// Those of this moment: the last that were kept before it, or the first.
    ///
    /// # Errors
    /// When none are kept.
    pub fn at(directory: &BackupDirectory, moment: DateTime<Utc>) -> anyhow::Result<Self> {
        let kept = kept(directory)?;
        let place = kept.iter().rev().find(|(since, _)| *since <= moment).or_else(|| kept.first());
        let (_, place) = place.context("the backup holds no passwords and keys")?;
        Self::read(place, place)
    }

    /// Writes those of the services into a data directory.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn restore_suite(&self, data_directory: &Path) -> anyhow::Result<()> {
        write_private(&data_directory.join(SUITE), &self.suite)
    }
}

/// Keeps them if they have changed.
///
/// # Errors
/// When they cannot be read or written.
pub(super) fn keep(
    directory: &BackupDirectory,
    source: &SecretsSource,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let secrets = SecretsSnapshot::read(&source.servers, &source.suite)?;
    if let Some((_, newest)) = kept(directory)?.last()
        && SecretsSnapshot::read(newest, newest)? == secrets
    {
        return Ok(());
    }
    let place = directory.secrets().join(now.format(TIME).to_string());
    let unfinished = place.with_extension("new");
    DirBuilder::new().recursive(true).mode(0o700).create(&unfinished)?;
    write_private(&unfinished.join(SERVERS), &secrets.servers)?;
    secrets.restore_suite(&unfinished)?;
    Ok(fs::rename(unfinished, place)?)
}

/// What is kept, oldest first.
fn kept(directory: &BackupDirectory) -> anyhow::Result<Vec<(DateTime<Utc>, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory.secrets()).context("the backup holds no passwords and keys")? {
        let entry = entry?;
        if let Ok(since) = NaiveDateTime::parse_from_str(&entry.file_name().to_string_lossy(), TIME) {
            kept.push((since.and_utc(), entry.path()));
        }
    }
    kept.sort();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_moment_has_the_secrets_that_it_had() {
        let [backup, data] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let directory = BackupDirectory::make(backup.path()).unwrap();
        let now = Utc::now();
        let source = SecretsSource { servers: data.path().to_owned(), suite: data.path().to_owned() };
        for (minutes, words) in [(0, "first"), (1, "first"), (2, "second")] {
            fs::write(data.path().join(SERVERS), "servers").unwrap();
            fs::write(data.path().join(SUITE), words).unwrap();
            keep(&directory, &source, now + TimeDelta::minutes(minutes)).unwrap();
        }
        assert_eq!(fs::read_dir(directory.secrets()).unwrap().count(), 2);
        for (minutes, words) in [(-1, "first"), (1, "first"), (3, "second")] {
            let secrets = SecretsSnapshot::at(&directory, now + TimeDelta::minutes(minutes)).unwrap();
            assert_eq!(secrets.suite, words.as_bytes());
        }
    }
}
