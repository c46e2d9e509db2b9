//! The store of objects: a folder, or a bucket of S3 or a compatible store. Where they differ is in [`place`].
//!
//! An object is written once, in one piece, under a name that no other ever has; so a name tells of whole bytes or of
//! none, and deleting one twice is harmless. What is written again and again in a bucket, by several who do not know of each
//! other, has editions.

mod chunks;
mod options;
mod place;

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

/// How long writing one object may take.
const PUT_TIMEOUT: Duration = Duration::from_secs(120);

/// Up to this size an object is written in one piece; a larger one in parts of it.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// Where the objects are, if that is a folder.
    folder: Option<PathBuf>,
}

/// A piece of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Name of the object.
    pub path: String,
    /// Which of its bytes.
    pub range: Range<u64>,
}

/// What an object was when it was read or written, or that there was none.
#[derive(Clone, Debug)]
pub struct Edition(PutMode);

impl Edition {
    fn of(e_tag: Option<String>, version: Option<String>) -> Self {
        Self(PutMode::Update(UpdateVersion { e_tag, version }))
    }
}

impl Storage {
    /// Opens the folder, which is made if it is missing, or the bucket.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or the options of the bucket are malformed.
    pub fn open(options: &StorageOptions) -> anyhow::Result<Self> {
        place::open(options)
    }

    /// Writes an object.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not take it; it may then be there all the same.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let path = Path::from(path);
        let put = tokio::time::timeout(PUT_TIMEOUT, self.store.put(&path, bytes.into())).await;
        put.map_err(unavailable)?.map_err(unavailable)?;
        Ok(())
    }

    /// Writes an object of any size as its bytes come, in parts, whole or not at all.
    ///
    /// # Errors
    /// That of the bytes, or `UNAVAILABLE` when the store does not take them.
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
                // What is left of it is no object; a bucket forgets it by its own rules.
                let _left = writer.abort().await;
                return Err(error);
            }
        }
        tokio::time::timeout(PUT_TIMEOUT, writer.shutdown()).await.map_err(unavailable)?.map_err(unavailable)
    }

    /// A whole object, which must be of a size that fits into memory; `None` if it is gone.
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

    /// As [`Self::get`], with the edition.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn get_edition(&self, path: &str) -> Result<(Option<Bytes>, Edition)> {
        match self.store.get(&Path::from(path)).await {
            Ok(found) => {
                let edition = Edition::of(found.meta.e_tag.clone(), found.meta.version.clone());
                Ok((Some(found.bytes().await.map_err(unavailable)?), edition))
            }
            Err(object_store::Error::NotFound { .. }) => Ok((None, Edition(PutMode::Create))),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Writes the next edition of an object in a bucket, and answers with it; `None` if somebody else has been faster.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not take it, also because it is a folder or knows no conditions (`If-Match`).
    pub async fn put_edition(&self, path: &str, bytes: Vec<u8>, former: &Edition) -> Result<Option<Edition>> {
        let path = Path::from(path);
        let put = self.store.put_opts(&path, bytes.into(), former.0.clone().into());
        match tokio::time::timeout(PUT_TIMEOUT, put).await.map_err(unavailable)? {
            Ok(written) => Ok(Some(Edition::of(written.e_tag, written.version))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The bytes of pieces, one piece after the other, in chunks of [`DOWNLOAD_CHUNK_BYTES`].
    pub fn read(&self, pieces: Vec<Piece>) -> BoxStream<'static, Result<Bytes>> {
        let storage = self.clone();
        let opened = stream::iter(pieces).then(move |piece| {
            let storage = storage.clone();
            async move { storage.open_piece(piece).await }
        });
        chunks::of(futures::TryStreamExt::try_flatten(opened).boxed())
    }

    async fn open_piece(&self, piece: Piece) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(piece.range)), ..Default::default() };
        match self.store.get_opts(&Path::from(piece.path.as_str()), options).await {
            Ok(found) => Ok(found.into_stream().map(|bytes| bytes.map_err(unavailable)).boxed()),
            Err(object_store::Error::NotFound { .. }) => {
                tracing::error!(path = piece.path, "bytes of an attachment are not there");
                Err(Error::internal("bytes of an attachment are not there"))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Deletes an object, also one of which only the beginning was written. One that is gone already is no error.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(unavailable(error)),
        }
        match &self.folder {
            Some(folder) => place::delete_unfinished(folder, path).await,
            None => Ok(()),
        }
    }

    /// Names and sizes in bytes of all objects.
    pub fn objects(&self) -> BoxStream<'static, Result<(String, u64)>> {
        let listed = self.store.list(None);
        listed.map(|found| found.map(|o| (o.location.to_string(), o.size)).map_err(unavailable)).boxed()
    }

    /// The names of objects in a folder of the store that were last written before this time.
    pub fn older_than(&self, folder: &str, before: DateTime<Utc>) -> BoxStream<'static, Result<String>> {
        let listed = self.store.list(Some(&Path::from(folder)));
        let old = listed.filter_map(move |found| async move {
            match found {
                Ok(object) if object.last_modified < before => Some(Ok(object.location.to_string())),
                Ok(_) => None,
                Err(error) => Some(Err(unavailable(error))),
            }
        });
        old.boxed()
    }

    /// Removes what writing that was cut off before this time has left in a folder of the store.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store does not answer.
    pub async fn delete_unfinished(&self, folder: &str, before: DateTime<Utc>) -> Result<()> {
        match &self.folder {
            Some(root) => place::delete_old_unfinished(root.join(folder), before).await,
            // A bucket takes an object whole or not at all.
            None => Ok(()),
        }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("storage", error)
}
