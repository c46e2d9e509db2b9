//! Where copies of the file store's objects are, a directory or a bucket, with the manifest that tells of them.
//!
//! A manifest in a bucket is worked on in a directory of this machine, and put back whole, unless another run has put back its own
//! meanwhile: then it begins again from that one. Killed in between, a run leaves at most objects without a line, which the
//! next one copies again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use content::storage::{BucketOptions, FileLimits, StorageOptions};
use content::storage::{ObjectRange, ObjectVersion, Storage};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::directory::OBJECTS;
use super::manifest::{Entry, Manifest};
use crate::private_file::write_private;

/// The names of the manifest, and of when copies were last made.
const MANIFEST: &str = "files.manifest";
const KEPT_AT: &str = "files.kept";
/// Names of the copies that a check found missing or damaged, a line each.
const DAMAGED: &str = "files.damaged";

/// Copies that are written.
pub struct Copies {
    manifest: Manifest,
    objects: Storage,
    place: Storage,
    bucket: Option<BucketManifest>,
}

/// The manifest of a bucket.
struct BucketManifest {
    /// Where it is worked on.
    work: TempDir,
    /// What is in the bucket.
    edition: ObjectVersion,
}

/// Another run has written the manifest meanwhile; what this one has copied is harmless.
#[derive(Debug, thiserror::Error)]
#[error("another run works on the same copies")]
pub struct ConcurrentRunError;

/// Copies that are only read.
pub struct CopyReader {
    /// What the manifest says, by name.
    pub entries: BTreeMap<String, Entry>,
    /// What was in the store by then is here; not known of copies that tell of it elsewhere.
    pub synced_at: Option<DateTime<Utc>>,
    objects: Storage,
    place: Storage,
}

fn open(directory: &Path, bucket: &BucketOptions) -> anyhow::Result<Storage> {
    Storage::open(&StorageOptions {
        storage_directory: directory.to_owned(),
        bucket: bucket.clone(),
        limits: FileLimits::default(),
    })
}

fn open_directory(directory: &Path) -> anyhow::Result<Storage> {
    open(directory, &BucketOptions::default())
}

/// The bucket, the part of it with the copies themselves, and its manifest.
async fn open_bucket(options: &BucketOptions) -> anyhow::Result<(Storage, Storage, BucketManifest)> {
    let url = options.storage_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let below = BucketOptions { storage_url: Some(format!("{url}/{OBJECTS}")), ..options.clone() };
    let [place, objects] = [open(Path::new(""), options)?, open(Path::new(""), &below)?];
    let work = tempfile::tempdir()?;
    let (text, edition) = place.get_versioned(MANIFEST).await.context("the bucket of the copies")?;
    if let Some(text) = text {
        write_private(&work.path().join(MANIFEST), &text)?;
    }
    Ok((place, objects, BucketManifest { work, edition }))
}

impl Copies {
    /// In a directory of this machine, its owner's alone and created if missing, which no other run works in.
    ///
    /// # Errors
    /// When it cannot be made, or its manifest cannot be written.
    pub fn in_directory(root: &Path) -> anyhow::Result<Self> {
        let objects = root.join(OBJECTS);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&objects);
        made.with_context(|| format!("cannot make the directory {}", objects.display()))?;
        let manifest = Manifest::open(&root.join(MANIFEST))?;
        Ok(Self { manifest, objects: open_directory(&objects)?, place: open_directory(root)?, bucket: None })
    }

    /// In a bucket. Of several runs at once, one is the first to write the manifest; the others are [`ConcurrentRunError`].
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn in_bucket(options: &BucketOptions) -> anyhow::Result<Self> {
        let (place, objects, bucket) = open_bucket(options).await?;
        let manifest = Manifest::open(&bucket.work.path().join(MANIFEST))?;
        Ok(Self { manifest, objects, place, bucket: Some(bucket) })
    }

    /// What the manifest says, by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        self.manifest.entries()
    }

    pub(super) fn note(&mut self, entry: Entry) -> anyhow::Result<()> {
        self.manifest.note(entry)
    }

    /// Makes everything noted last.
    pub(super) async fn sync(&mut self) -> anyhow::Result<()> {
        self.manifest.sync()?;
        if let Some(bucket) = &mut self.bucket {
            let text = fs::read(bucket.work.path().join(MANIFEST))?;
            let put = self.place.put_versioned(MANIFEST, text, &bucket.edition).await;
            bucket.edition = put.context("the manifest of the copies")?.ok_or(ConcurrentRunError)?;
        }
        Ok(())
    }

    /// Notes that everything is here that was in the store by then.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_synced_at(&self, at: DateTime<Utc>) -> anyhow::Result<()> {
        Ok(self.place.put(KEPT_AT, at.to_rfc3339().into_bytes()).await?)
    }

    /// Names of the copies that are missing, have another size than the manifest says, or were found damaged by a check.
    pub(super) async fn damaged(&self) -> anyhow::Result<BTreeSet<String>> {
        let sizes: HashMap<String, u64> =
            self.objects.objects().try_collect().await.context("the place of the copies")?;
        let noted = noted_damage(&self.place).await?;
        let is_damaged =
            |entry: &&Entry| noted.contains(&entry.path) || sizes.get(&entry.path) != Some(&entry.size);
        Ok(self.entries().values().filter(is_damaged).map(|entry| entry.path.clone()).collect())
    }

    /// Replaces the names that checks have noted.
    pub(super) async fn set_damaged(&self, damaged: &BTreeSet<String>) -> anyhow::Result<()> {
        if *damaged == noted_damage(&self.place).await? {
            return Ok(());
        }
        put_damage(&self.place, damaged).await
    }

    /// Copies an object of the store; `None` if it is gone by now.
    pub(super) async fn copy(
        &self,
        storage: &Storage,
        path: &str,
        size: u64,
    ) -> anyhow::Result<Option<Entry>> {
        // What a run that was killed has left of it. A bucket has nothing unfinished, and another run may have just put it.
        if self.bucket.is_none() {
            self.remove(path).await?;
        }
        let mut hash = Sha256::new();
        let bytes = storage.read(vec![ObjectRange { path: path.to_owned(), range: 0..size }]);
        let hashed = bytes.inspect(|chunk| {
            if let Ok(chunk) = chunk {
                hash.update(chunk);
            }
        });
        match self.objects.put_stream(path, hashed).await {
            Ok(()) => {}
            Err(_) if is_gone(storage, path).await => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("the object {path}")),
        }
        let sha256 = hex::encode(hash.finalize());
        Ok(Some(Entry { path: path.to_owned(), size, sha256, gone_at: None, removed: false }))
    }

    /// Removes a copy that no line tells of.
    pub(super) async fn remove(&self, path: &str) -> anyhow::Result<()> {
        self.objects.delete(path).await.with_context(|| format!("the copy of {path}"))
    }
}

async fn is_gone(storage: &Storage, path: &str) -> bool {
    let first = storage.read(vec![ObjectRange { path: path.to_owned(), range: 0..1 }]).next().await;
    !matches!(first, Some(Ok(_)))
}

impl CopyReader {
    /// Those in a directory, which another run may be writing.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn in_directory(root: &Path) -> anyhow::Result<Self> {
        let objects = root.join(OBJECTS);
        anyhow::ensure!(objects.is_dir(), "{} holds no copies of files", root.display());
        let entries = Manifest::read(&root.join(MANIFEST))?;
        let place = open_directory(root)?;
        Ok(Self { entries, synced_at: synced_at(&place).await?, objects: open_directory(&objects)?, place })
    }

    /// Those in a bucket.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn in_bucket(options: &BucketOptions) -> anyhow::Result<Self> {
        let (place, objects, bucket) = open_bucket(options).await?;
        let entries = Manifest::read(&bucket.work.path().join(MANIFEST))?;
        Ok(Self { entries, synced_at: synced_at(&place).await?, objects, place })
    }

    /// Notes that these copies are missing or damaged, so that the next run copies them again.
    ///
    /// # Errors
    /// When the place of the copies cannot be written.
    pub async fn note_damaged(&self, paths: BTreeSet<String>) -> anyhow::Result<()> {
        let mut damaged = noted_damage(&self.place).await?;
        damaged.extend(paths);
        put_damage(&self.place, &damaged).await
    }

    /// The bytes of a copy, which are those that were copied.
    ///
    /// # Errors
    /// When they are not, or there is no copy.
    pub async fn read(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let entry = self.entries.get(path);
        let entry = entry.with_context(|| format!("the object {path} is not in the backup"))?;
        let bytes = self.objects.get(path).await.with_context(|| format!("the copy of {path}"))?;
        let bytes = bytes.with_context(|| format!("the copy of {path} is missing"))?;
        let is_whole = u64::try_from(bytes.len()).ok() == Some(entry.size)
            && hex::encode(Sha256::digest(&bytes)) == entry.sha256;
        anyhow::ensure!(is_whole, "the copy of {path} is damaged");
        Ok(bytes.into())
    }
}

async fn noted_damage(place: &Storage) -> anyhow::Result<BTreeSet<String>> {
    let text = place.get(DAMAGED).await.context("the place of the copies")?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

async fn put_damage(place: &Storage, damaged: &BTreeSet<String>) -> anyhow::Result<()> {
    let text: String = damaged.iter().map(|path| format!("{path}\n")).collect();
    place.put(DAMAGED, text.into_bytes()).await.context("the place of the copies")
}

async fn synced_at(place: &Storage) -> anyhow::Result<Option<DateTime<Utc>>> {
    let text = place.get(KEPT_AT).await.context("the place of the copies")?;
    Ok(text
        .and_then(|text| DateTime::parse_from_rfc3339(str::from_utf8(&text).ok()?).ok())
        .map(|at| at.to_utc()))
}
