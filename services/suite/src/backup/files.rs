//! Copies of the objects of the file store. An object is written once and never changes, so only new ones are copied;
//! one that is deleted is kept for as long as a restored database may refer to it.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use content::storage::{Piece, Storage};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::folder::BackupFolder;
use super::ledger::{Entry, Ledger};

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Objects that are kept.
    pub total: usize,
    /// Those copied now, and their bytes.
    pub copied: usize,
    /// See `copied`.
    pub copied_bytes: u64,
}

/// Copies what is new, and notes what is gone.
///
/// # Errors
/// When the store or the backup folder fails. What was copied stays.
pub async fn keep(storage: &Storage, folder: &BackupFolder, now: DateTime<Utc>) -> anyhow::Result<Kept> {
    let mut ledger = Ledger::open(&folder.files_ledger())?;
    let mut kept = Kept::default();
    let mut seen = std::collections::HashSet::new();
    let mut objects = storage.objects();
    while let Some((path, size)) = objects.try_next().await.context("the file store")? {
        let known = ledger.entries().get(&path).filter(|entry| entry.size == size).cloned();
        match known {
            Some(Entry { gone_at: None, .. }) => {}
            Some(entry) => ledger.note(Entry { gone_at: None, ..entry })?,
            None => {
                // One that was deleted while we looked is not needed by anybody.
                if let Some(entry) = copy(storage, folder, &path, size).await? {
                    kept.copied += 1;
                    kept.copied_bytes += entry.size;
                    ledger.note(entry)?;
                }
            }
        }
        seen.insert(path);
    }
    let gone: Vec<Entry> = ledger
        .entries()
        .values()
        .filter(|entry| entry.gone_at.is_none() && !seen.contains(&entry.path))
        .cloned()
        .collect();
    for entry in gone {
        ledger.note(Entry { gone_at: Some(now), ..entry })?;
    }
    ledger.sync()?;
    kept.total = ledger.entries().len();
    Ok(kept)
}

/// Removes what was gone before this time: no moment that can be restored refers to it. Answers with how many.
///
/// # Errors
/// When the backup folder fails.
pub fn prune(folder: &BackupFolder, before: DateTime<Utc>) -> anyhow::Result<usize> {
    let mut ledger = Ledger::open(&folder.files_ledger())?;
    let old: Vec<Entry> = ledger
        .entries()
        .values()
        .filter(|entry| entry.gone_at.is_some_and(|gone_at| gone_at < before))
        .cloned()
        .collect();
    for entry in &old {
        // The line first: a file without a line is harmless, a line without a file is damage.
        ledger.note(Entry { removed: true, ..entry.clone() })?;
        ledger.sync()?;
        remove_if_there(&folder.files().join(&entry.path))?;
    }
    Ok(old.len())
}

async fn copy(
    storage: &Storage,
    folder: &BackupFolder,
    path: &str,
    size: u64,
) -> anyhow::Result<Option<Entry>> {
    let place = folder.files().join(path);
    let parent = place.parent().context("an object has a name")?;
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(folder.files())?;
    let mut hash = Sha256::new();
    let mut bytes = storage.read(vec![Piece { path: path.to_owned(), range: 0..size }]);
    while let Some(chunk) = bytes.next().await {
        match chunk {
            Ok(chunk) => {
                hash.update(&chunk);
                file.write_all(&chunk)?;
            }
            Err(_) if is_gone(storage, path).await => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("the object {path}")),
        }
    }
    file.as_file().sync_all()?;
    file.persist(&place).with_context(|| format!("cannot write {}", place.display()))?;
    fs::File::open(parent)?.sync_all()?;
    let sha256 = hex::encode(hash.finalize());
    Ok(Some(Entry { path: path.to_owned(), size, sha256, gone_at: None, removed: false }))
}

async fn is_gone(storage: &Storage, path: &str) -> bool {
    let first = storage.read(vec![Piece { path: path.to_owned(), range: 0..1 }]).next().await;
    !matches!(first, Some(Ok(_)))
}

pub(super) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use shared::storage::{BucketOptions, FileLimits, StorageOptions};

    use super::*;

    #[tokio::test]
    async fn a_deleted_file_is_kept_until_no_moment_refers_to_it() {
        let [store, backup] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let storage = Storage::open(&StorageOptions {
            storage_folder: store.path().to_owned(),
            bucket: BucketOptions::default(),
            limits: FileLimits::default(),
        })
        .unwrap();
        let folder = BackupFolder::make(backup.path()).unwrap();
        let now = Utc::now();
        storage.put("parts/a", b"first".to_vec()).await.unwrap();
        storage.put("parts/b", b"second".to_vec()).await.unwrap();

        let first = keep(&storage, &folder, now).await.unwrap();
        assert_eq!((first.total, first.copied, first.copied_bytes), (2, 2, 11));
        storage.delete("parts/a").await.unwrap();
        let second = keep(&storage, &folder, now + TimeDelta::hours(1)).await.unwrap();
        assert_eq!((second.total, second.copied), (2, 0));
        assert_eq!(prune(&folder, now).unwrap(), 0);
        assert!(folder.files().join("parts/a").exists());

        assert_eq!(prune(&folder, now + TimeDelta::hours(2)).unwrap(), 1);
        assert!(!folder.files().join("parts/a").exists() && folder.files().join("parts/b").exists());
        assert_eq!(Ledger::read(&folder.files_ledger()).unwrap().len(), 1);
    }
}
