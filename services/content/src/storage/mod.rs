//! The object store: a directory, or a bucket of S3 or a compatible store ([`backends`]).
//!
//! An object is written once and atomically, under a path that is never used again. So a path has all bytes or none, and
//! deleting it twice is harmless. Objects of a bucket that several processes replace have versions.

mod backends;
mod chunks;
mod options;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::{self, BoxStream, Stream};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use prost::bytes::Bytes;
use shared::error::{Error, Result};
use tokio::io::AsyncWriteExt;

pub use chunks::DOWNLOAD_CHUNK_BYTES;
pub use options::{BucketOptions, FileLimits, LARGEST_ATTACHMENT_BYTES, StorageOptions};

const PUT_TIMEOUT: Duration = Duration::from_secs(120);

/// Larger objects are written in parts of this size.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The object store; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// `None` for a bucket.
    directory: Option<PathBuf>,
}

/// Some bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRange {
    pub path: String,
    pub range: Range<u64>,
}

/// The version of an object that was read or written, or that there was none.
#[derive(Clone, Debug)]
pub struct ObjectVersion(PutMode);

impl ObjectVersion {
    fn of(e_tag: Option<String>, version: Option<String>) -> Self {
        Self(PutMode::Update(UpdateVersion { e_tag, version }))
    }
}

impl Storage {
    /// Opens the bucket or the directory, which is created if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be created, or the options of the bucket are malformed.
    pub fn open(options: &StorageOptions) -> anyhow::Result<Self> {
        let (store, directory) = backends::open(options)?;
        Ok(Self { store, directory })
    }

    /// Writes an object.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the write fails; the object may exist nevertheless.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let path = Path::from(path);
        let put = tokio::time::timeout(PUT_TIMEOUT, self.store.put(&path, bytes.into())).await;
        put.map_err(unavailable)?.map_err(unavailable)?;
        Ok(())
    }

    /// Writes an object of any size from a stream, atomically.
    ///
    /// # Errors
    /// Those of the stream; `UNAVAILABLE` when the write fails.
    pub async fn put_stream(&self, path: &str, bytes: impl Stream<Item = Result<Bytes>>) -> Result<()> {
        let mut bytes = std::pin::pin!(bytes);
        let mut writer = BufWriter::with_capacity(Arc::clone(&self.store), Path::from(path), PART_BYTES);
        while let Some(chunk) = bytes.next().await {
            let written = match chunk {
                Ok(chunk) => {
                    let put = tokio::time::timeout(PUT_TIMEOUT, writer.put(chunk)).await;
                    put.map_err(unavailable).and_then(|put| put.map_err(unavailable))
                }
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                // If this fails, the lifecycle rules of the bucket delete the parts.
                let _incomplete = writer.abort().await;
                return Err(error);
            }
        }
        tokio::time::timeout(PUT_TIMEOUT, writer.shutdown()).await.map_err(unavailable)?.map_err(unavailable)
    }

    /// Reads a whole object into memory; `None` if it does not exist.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(unavailable)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Like [`Self::get`], with the version.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn get_versioned(&self, path: &str) -> Result<(Option<Bytes>, ObjectVersion)> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => {
                let version = ObjectVersion::of(found.meta.e_tag.clone(), found.meta.version.clone());
                Ok((Some(found.bytes().await.map_err(unavailable)?), version))
            }
            Err(object_store::Error::NotFound { .. }) => Ok((None, ObjectVersion(PutMode::Create))),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Replaces an object in a bucket, and returns the new version; `None` if it is not at `expected` any more.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the write fails, also in a directory or a store without conditional writes (`If-Match`).
    pub async fn put_versioned(
        &self,
        path: &str,
        bytes: Vec<u8>,
        expected: &ObjectVersion,
    ) -> Result<Option<ObjectVersion>> {
        let path = Path::from(path);
        let put = self.store.put_opts(&path, bytes.into(), expected.0.clone().into());
        match tokio::time::timeout(PUT_TIMEOUT, put).await.map_err(unavailable)? {
            Ok(written) => Ok(Some(ObjectVersion::of(written.e_tag, written.version))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Reads ranges one after the other, in chunks of [`DOWNLOAD_CHUNK_BYTES`].
    pub fn read(&self, ranges: Vec<ObjectRange>) -> BoxStream<'static, Result<Bytes>> {
        let storage = self.clone();
        let opened = stream::iter(ranges).then(move |range| {
            let storage = storage.clone();
            async move { storage.open_range(range).await }
        });
        chunks::rechunk(futures::TryStreamExt::try_flatten(opened).boxed())
    }

    async fn open_range(&self, object: ObjectRange) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(object.range)), ..Default::default() };
        match self.store.get_opts(&Path::from(object.path.as_str()), options).await {
            Ok(found) => Ok(found.into_stream().map(|bytes| bytes.map_err(unavailable)).boxed()),
            Err(object_store::Error::NotFound { .. }) => {
                tracing::error!(path = object.path, "bytes of an attachment are missing");
                Err(Error::internal("bytes of an attachment are missing"))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Deletes an object, also an incomplete one. It is no error if it does not exist.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(unavailable(error)),
        }
        match &self.directory {
            Some(directory) => backends::delete_incomplete(directory, path).await,
            None => Ok(()),
        }
    }

    /// Paths and sizes in bytes of all objects.
    pub fn objects(&self) -> BoxStream<'static, Result<(String, u64)>> {
        let listed = self.store.list(None);
        listed.map(|found| found.map(|o| (o.location.to_string(), o.size)).map_err(unavailable)).boxed()
    }

    /// Paths of objects with this prefix that were last written before this time.
    pub fn older_than(&self, prefix: &str, before: DateTime<Utc>) -> BoxStream<'static, Result<String>> {
        let objects = self.store.list(Some(&Path::from(prefix)));
        let old = objects.filter_map(move |object| async move {
            match object {
                Ok(object) if object.last_modified < before => Some(Ok(object.location.to_string())),
                Ok(_) => None,
                Err(error) => Some(Err(unavailable(error))),
            }
        });
        old.boxed()
    }

    /// Deletes incomplete objects with this prefix that were last written before this time.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn delete_old_incomplete(&self, prefix: &str, before: DateTime<Utc>) -> Result<()> {
        match &self.directory {
            Some(root) => backends::delete_old_incomplete(root.join(prefix), before).await,
            // A bucket has no incomplete objects.
            None => Ok(()),
        }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("storage", error)
}
