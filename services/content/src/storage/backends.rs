//! The backends of the object store: a directory and an S3 bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::{BucketOptions, StorageOptions};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use shared::error::{Error, Result};

/// The store, and its directory if it has one.
type Backend = (Arc<dyn ObjectStore>, Option<PathBuf>);

/// For stores without regions.
const DEFAULT_REGION: &str = "us-east-1";

pub(super) fn open(options: &StorageOptions) -> anyhow::Result<Backend> {
    match &options.bucket.storage_url {
        Some(url) => open_bucket(url, &options.bucket),
        None => open_directory(&options.storage_directory),
    }
}

fn open_directory(directory: &Path) -> anyhow::Result<Backend> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("the storage directory {}", directory.display()))?;
    // Bytes must be durable before the row that refers to them is committed.
    let store = LocalFileSystem::new_with_prefix(directory)?.with_fsync(true);
    Ok((Arc::new(store), Some(directory.to_owned())))
}

fn open_bucket(url: &str, options: &BucketOptions) -> anyhow::Result<Backend> {
    let (bucket, prefix) = bucket_of(url)?;
    // The S3 client uses the default provider of the process. It fails if one is installed already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(region) = &options.storage_region {
        builder = builder.with_region(region);
    } else if std::env::var_os("AWS_REGION").or(std::env::var_os("AWS_DEFAULT_REGION")).is_none() {
        builder = builder.with_region(DEFAULT_REGION);
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
    Ok((Arc::new(PrefixStore::new(store, prefix)), None))
}

/// Bucket and prefix of `s3://bucket/prefix`.
fn bucket_of(url: &str) -> anyhow::Result<(&str, &str)> {
    let Some(path) = url.strip_prefix("s3://") else {
        bail!("the storage URL {url} is not of the form s3://bucket/prefix");
    };
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    anyhow::ensure!(!bucket.is_empty(), "the storage URL {url} names no bucket");
    Ok((bucket, prefix.trim_matches('/')))
}

/// The name of a local object until it is complete. A path has one writer, so the number is always 1.
fn incomplete_name(path: &str) -> String {
    format!("{path}#1")
}

/// Deletes what a crash during the write of a local object has left.
pub(super) async fn delete_incomplete(directory: &Path, path: &str) -> Result<()> {
    match tokio::fs::remove_file(directory.join(incomplete_name(path))).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::unavailable("storage", error))
        }
        _ => Ok(()),
    }
}

/// Deletes incomplete local objects that were last written before this time. The store does not list them.
pub(super) async fn delete_old_incomplete(directory: PathBuf, before: DateTime<Utc>) -> Result<()> {
    let mut entries = match tokio::fs::read_dir(directory).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::unavailable("storage", error)),
    };
    while let Some(entry) = entries.next_entry().await.map_err(|e| Error::unavailable("storage", e))? {
        if is_old_incomplete(&entry, before).await {
            tracing::info!(path = %entry.path().display(), "deleting an incomplete object");
            // It may have been completed or deleted meanwhile.
            let _deleted = tokio::fs::remove_file(entry.path()).await;
        }
    }
    Ok(())
}

async fn is_old_incomplete(entry: &tokio::fs::DirEntry, before: DateTime<Utc>) -> bool {
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
    fn a_storage_url_has_a_bucket_and_an_optional_prefix() {
        assert_eq!(bucket_of("s3://files").unwrap(), ("files", ""));
        assert_eq!(bucket_of("s3://files/a/b/").unwrap(), ("files", "a/b"));
        for wrong in ["", "files", "s3://", "s3:///a", "https://files"] {
            assert!(bucket_of(wrong).is_err(), "{wrong}");
        }
    }
}
