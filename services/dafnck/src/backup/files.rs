//! Copies of the objects of the file store. An object is written once and never changes, so only new ones are copied;
//! one that is deleted is kept for as long as a restored database may refer to it.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use content::storage::Storage;
use futures::TryStreamExt;

use super::copies::Copies;
use super::manifest::Entry;

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Objects that are kept.
    pub total: usize,
    /// Those copied now, and their bytes.
    pub copied: usize,
    /// See `copied`.
    pub copied_bytes: u64,
    /// Objects whose copy was missing or damaged and was made again.
    pub repaired: Vec<String>,
    /// Objects whose copy is missing or damaged and which the store cannot replace.
    pub lost: BTreeSet<String>,
}

/// Copies what is new, copies again what is missing or damaged, and notes what is gone.
///
/// A copy counts as damaged when its size differs from the manifest, or when a check has noted its hash as wrong: to read
/// every copy on every run would cost too much.
///
/// # Errors
/// When the store or the place of the copies fails. What was copied stays.
pub async fn sync(storage: &Storage, copies: &mut Copies, now: DateTime<Utc>) -> anyhow::Result<SyncReport> {
    let mut kept = SyncReport::default();
    let mut seen = HashSet::new();
    let mut damaged = copies.damaged().await?;
    let mut objects = storage.objects();
    while let Some((path, size)) = objects.try_next().await.context("the file store")? {
        let known = copies.entries().get(&path).filter(|entry| entry.size == size).cloned();
        match known {
            Some(entry) => {
                if damaged.contains(&path) {
                    let copied = copies.copy(storage, &path, size).await?;
                    if copied.is_some_and(|copied| copied.sha256 == entry.sha256) {
                        damaged.remove(&path);
                        kept.repaired.push(path.clone());
                    }
                }
                if entry.gone_at.is_some() {
                    copies.note(Entry { gone_at: None, ..entry })?;
                }
            }
            None => {
                damaged.remove(&path);
                // One that was deleted while we looked is not needed by anybody.
                if let Some(entry) = copies.copy(storage, &path, size).await? {
                    kept.copied += 1;
                    kept.copied_bytes += entry.size;
                    copies.note(entry)?;
                }
            }
        }
        seen.insert(path);
    }
    for entry in entries(copies, |entry| entry.gone_at.is_none() && !seen.contains(&entry.path)) {
        copies.note(Entry { gone_at: Some(now), ..entry })?;
    }
    copies.sync().await?;
    copies.set_damaged(&damaged).await?;
    kept.total = copies.entries().len();
    kept.lost = damaged;
    Ok(kept)
}

/// Removes what was gone before this time: no moment that can be restored refers to it. Answers with how many.
///
/// # Errors
/// When the place of the copies fails.
pub async fn prune(copies: &mut Copies, before: DateTime<Utc>) -> anyhow::Result<usize> {
    let old = entries(copies, |entry| entry.gone_at.is_some_and(|gone_at| gone_at < before));
    if old.is_empty() {
        return Ok(0);
    }
    // The lines first: a file without a line is harmless, a line without a file is damage.
    for entry in &old {
        copies.note(Entry { removed: true, ..entry.clone() })?;
    }
    copies.sync().await?;
    for entry in &old {
        copies.remove(&entry.path).await?;
    }
    Ok(old.len())
}

fn entries(copies: &Copies, are_wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    copies.entries().values().filter(|entry| are_wanted(entry)).cloned().collect()
}

pub(super) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use content::storage::{BucketOptions, FileLimits, StorageOptions};

    use super::*;

    #[tokio::test]
    async fn a_deleted_file_is_kept_until_no_moment_refers_to_it() {
        let [store, backup] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let storage = Storage::open(&StorageOptions {
            storage_directory: store.path().to_owned(),
            bucket: BucketOptions::default(),
            limits: FileLimits::default(),
        })
        .unwrap();
        let mut copies = Copies::in_directory(backup.path()).unwrap();
        let now = Utc::now();
        storage.put("parts/a", b"first".to_vec()).await.unwrap();
        storage.put("parts/b", b"second".to_vec()).await.unwrap();

        let first = sync(&storage, &mut copies, now).await.unwrap();
        assert_eq!((first.total, first.copied, first.copied_bytes), (2, 2, 11));
        storage.delete("parts/a").await.unwrap();
        let second = sync(&storage, &mut copies, now + TimeDelta::hours(1)).await.unwrap();
        assert_eq!((second.total, second.copied), (2, 0));
        assert_eq!(prune(&mut copies, now).await.unwrap(), 0);
        let there = |name: &str| backup.path().join("files").join(name).exists();
        assert!(there("parts/a"));

        assert_eq!(prune(&mut copies, now + TimeDelta::hours(2)).await.unwrap(), 1);
        assert!(!there("parts/a") && there("parts/b"));
        assert_eq!(Copies::in_directory(backup.path()).unwrap().entries().len(), 1);
    }
}
