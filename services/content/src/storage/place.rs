//! Where the objects are, and all that differs between a folder and a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::{BucketOptions, StorageOptions};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use shared::error::{Error, Result};

use super::Storage;

/// Region of stores that have none.
const NO_REGION: &str = "us-east-1";

pub(super) fn open(options: &StorageOptions) -> anyhow::Result<Storage> {
    match &options.bucket.storage_url {
        Some(url) => open_bucket(url, &options.bucket),
        None => open_folder(&options.storage_folder),
    }
}

fn open_folder(folder: &Path) -> anyhow::Result<Storage> {
    std::fs::create_dir_all(folder).with_context(|| format!("the storage folder {}", folder.display()))?;
    // A row must not outlive a crash that its bytes do not.
    let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
    Ok(Storage { store: Arc::new(store), folder: Some(folder.to_owned()) })
}

fn open_bucket(url: &str, options: &BucketOptions) -> anyhow::Result<Storage> {
    let (bucket, prefix) = bucket_of(url)?;
    // The client of the store wants one for the whole process. Whoever was first has chosen as we do.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(region) = &options.storage_region {
        builder = builder.with_region(region);
    } else if std::env::var_os("AWS_REGION").or(std::env::var_os("AWS_DEFAULT_REGION")).is_none() {
        builder = builder.with_region(NO_REGION);
    }
    if let Some(endpoint) = &options.storage_endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder = match (&options.storage_access_key_id, &options.storage_secret_access_key) {
        (Some(id), Some(key)) => builder.with_access_key_id(id).with_secret_access_key(key.expose()),
        (None, None) => builder,
        _ => bail!("give --storage-access-key-id and --storage-secret-access-key together"),
    };
    let store = builder.build().context("the options of the storage bucket")?;
    Ok(Storage { store: Arc::new(PrefixStore::new(store, prefix)), folder: None })
}

/// Bucket and prefix of `s3://bucket/prefix`.
fn bucket_of(url: &str) -> anyhow::Result<(&str, &str)> {
    let Some(place) = url.strip_prefix("s3://") else {
        bail!("the storage URL {url} is not of the form s3://bucket/prefix");
    };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    anyhow::ensure!(!bucket.is_empty(), "the storage URL {url} names no bucket");
    Ok((bucket, prefix.trim_matches('/')))
}

/// The name that the beginning of a local object has until it is whole: no other writer shares it, so there is one.
fn unfinished_name(path: &str) -> String {
    format!("{path}#1")
}

/// A crash while a local object is written leaves its beginning.
pub(super) async fn delete_unfinished(folder: &Path, path: &str) -> Result<()> {
    match tokio::fs::remove_file(folder.join(unfinished_name(path))).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::unavailable("storage", error))
        }
        _ => Ok(()),
    }
}

/// Removes the beginnings of local objects that were last written before this time. The store does not list them.
pub(super) async fn delete_old_unfinished(folder: PathBuf, before: DateTime<Utc>) -> Result<()> {
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::unavailable("storage", error)),
    };
    while let Some(entry) = entries.next_entry().await.map_err(|e| Error::unavailable("storage", e))? {
        if is_old_beginning(&entry, before).await {
            tracing::info!(path = %entry.path().display(), "removing the beginning of an object");
            // One that goes while we look is gone as well.
            let _gone = tokio::fs::remove_file(entry.path()).await;
        }
    }
    Ok(())
}

async fn is_old_beginning(entry: &tokio::fs::DirEntry, before: DateTime<Utc>) -> bool {
    let name = entry.file_name().to_string_lossy().into_owned();
    let number = name.split_once('#').map_or("", |(_, number)| number);
    let modified = entry.metadata().await.and_then(|metadata| metadata.modified());
    !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && modified.is_ok_and(|modified| DateTime::<Utc>::from(modified) < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_url_names_a_bucket_and_perhaps_a_prefix() {
        assert_eq!(bucket_of("s3://files").unwrap(), ("files", ""));
        assert_eq!(bucket_of("s3://files/a/b/").unwrap(), ("files", "a/b"));
        for wrong in ["", "files", "s3://", "s3:///a", "https://files"] {
            assert!(bucket_of(wrong).is_err(), "{wrong}");
        }
    }
}
