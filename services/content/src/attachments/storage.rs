//! Where the bytes of files are: objects named `attachments/<id>`, in a folder.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use prost::bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use shared::database::Database;
use shared::error::{Error, ErrorReason, Result};
use shared::service::StorageOptions;
use uuid::Uuid;

use super::incoming::{Incoming, UploadMessage};
use super::queries;

/// Bytes that a download's message carries at most.
pub const DOWNLOAD_CHUNK_BYTES: usize = 256 * 1024;
/// Bytes that are written at once.
const PART_BYTES: usize = 1024 * 1024;
/// Parts that are being written at once: what an upload holds in memory.
const PARTS_IN_FLIGHT: usize = 2;
/// From how many of its first bytes the kind of a file is told.
const SNIFFED_BYTES: usize = 8 * 1024;
/// When a commit that was under way has happened or never will: longer than any statement may run.
const COMMIT_SETTLES: Duration = Duration::from_secs(60);
/// Folder of the objects.
const FOLDER: &str = "attachments";

/// The folder of files; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<LocalFileSystem>,
    folder: PathBuf,
    pub(super) worker: Database,
    max_bytes: u64,
}

/// Bytes that are stored and of which no row tells yet. Dropped before [`StoredFile::keep`], it takes them
/// away again.
pub struct StoredFile {
    /// The attachment's key.
    pub id: Uuid,
    /// Where the bytes are.
    pub path: String,
    /// How many.
    pub size: i64,
    /// Their SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Their kind.
    pub mime_type: String,
    storage: Option<Storage>,
    /// How long to wait before asking for the row.
    settles_after: Duration,
}

impl Storage {
    /// Opens the folder, and makes it if it is missing.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(options: &StorageOptions, worker: Database) -> anyhow::Result<Self> {
        let folder = &options.storage_folder;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the storage folder {}", folder.display()))?;
        // A row must not outlive a crash that its bytes do not.
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        let folder = folder.join(FOLDER);
        Ok(Self { store: Arc::new(store), folder, worker, max_bytes: options.max_attachment_bytes })
    }

    /// Stores what arrives, in flat memory.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (also `TOO_LARGE`), `DATA_LOSS` (`CHECKSUM_MISMATCH`), and what breaks the stream.
    pub(crate) async fn receive<M: UploadMessage>(
        &self,
        id: Uuid,
        incoming: &mut Incoming<M>,
        expected_sha256: Option<&str>,
    ) -> Result<StoredFile> {
        let path = object_path(id);
        let upload = self.store.put_multipart(&path).await.map_err(Error::internal)?;
        // Dropped before its end, it removes what it has written.
        let mut file = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let (mut size, mut digest, mut start) = (0_u64, Sha256::new(), Vec::new());
        while let Some(chunk) = incoming.chunk().await? {
            size = size.saturating_add(chunk.len() as u64);
            if size > self.max_bytes {
                return Err(self.too_large());
            }
            digest.update(&chunk);
            let wanted = SNIFFED_BYTES.saturating_sub(start.len());
            start.extend(chunk.iter().take(wanted));
            file.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(Error::internal)?;
            file.put(chunk);
        }
        let sha256 = hex::encode(digest.finalize());
        check(size, &sha256, expected_sha256)?;
        file.finish().await.map_err(Error::internal)?;
        Ok(StoredFile {
            id,
            path: path.to_string(),
            size: i64::try_from(size).map_err(Error::internal)?,
            sha256,
            mime_type: mime_type(&start),
            storage: Some(self.clone()),
            settles_after: Duration::ZERO,
        })
    }

    fn too_large(&self) -> Error {
        Error::InvalidFor {
            reason: ErrorReason::TooLarge,
            message: format!("the file is larger than {} bytes", self.max_bytes),
            metadata: vec![("limit_bytes", self.max_bytes.to_string())],
        }
    }

    /// A range of an object's bytes, in chunks of [`DOWNLOAD_CHUNK_BYTES`].
    ///
    /// # Errors
    /// `NOT_FOUND` when the object has gone.
    pub async fn read(&self, id: Uuid, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..Default::default() };
        let found = match self.store.get_opts(&object_path(id), options).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                tracing::warn!(attachment = %id, "the bytes of an attachment are not there");
                return Err(Error::not_found("attachment", id));
            }
            Err(error) => return Err(Error::internal(error)),
        };
        Ok(stream::try_unfold(found.into_stream(), next_chunk).boxed())
    }

    /// The folder as the file system sees it.
    pub(super) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Deletes an object. One that is gone already is no error.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub async fn delete(&self, id: Uuid) -> Result<()> {
        match self.store.delete(&object_path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// Deletes an object of which no row tells.
    ///
    /// # Errors
    /// When the database does not answer, or the folder cannot be written to.
    pub async fn delete_unless_recorded(&self, id: Uuid) -> Result<()> {
        let tx = self.worker.begin_background().await?;
        let is_recorded = queries::exists(&tx, id).await?;
        tx.finish();
        if is_recorded { Ok(()) } else { self.delete(id).await }
    }
}

impl StoredFile {
    /// Says that the row is on its way: from here on, only time tells whether it arrived.
    pub fn record(&mut self) {
        self.settles_after = COMMIT_SETTLES;
    }

    /// Says that a row tells of the bytes.
    pub fn keep(mut self) {
        self.storage = None;
    }
}

impl Drop for StoredFile {
    /// A commit whose answer was lost may have happened, so the row is asked before the bytes go.
    fn drop(&mut self) {
        let Some(storage) = self.storage.take() else { return };
        let (id, settles_after) = (self.id, self.settles_after);
        tokio::spawn(async move {
            tokio::time::sleep(settles_after).await;
            if let Err(error) = storage.delete_unless_recorded(id).await {
                tracing::warn!(attachment = %id, %error, "the bytes of a failed upload could not be removed");
            }
        });
    }
}

fn object_path(id: Uuid) -> Path {
    Path::from_iter([FOLDER, id.to_string().as_str()])
}

fn check(size: u64, sha256: &str, expected: Option<&str>) -> Result<()> {
    if size == 0 {
        return Err(Error::invalid("chunk", "the file must have at least one byte"));
    }
    match expected {
        Some(expected) if expected != sha256 => {
            Err(Error::ChecksumMismatch { expected: expected.to_owned(), actual: sha256.to_owned() })
        }
        _ => Ok(()),
    }
}

type Source = BoxStream<'static, object_store::Result<Bytes>>;

/// Gathers what the store reads in small pieces.
async fn next_chunk(mut source: Source) -> Result<Option<(Bytes, Source)>> {
    let mut chunk = BytesMut::new();
    while chunk.len() < DOWNLOAD_CHUNK_BYTES {
        let Some(piece) = source.next().await else { break };
        let mut piece = piece.map_err(Error::internal)?;
        let room = DOWNLOAD_CHUNK_BYTES.saturating_sub(chunk.len());
        if piece.len() > room {
            let rest = piece.split_off(room);
            source = stream::once(async { Ok(rest) }).chain(source).boxed();
        }
        chunk.extend_from_slice(&piece);
    }
    Ok((!chunk.is_empty()).then(|| (chunk.freeze(), source)))
}

/// The kind of a file, from how it starts.
fn mime_type(start: &[u8]) -> String {
    let known = infer::get(start).map(|kind| kind.mime_type());
    let fallback = if is_text(start) { "text/plain" } else { "application/octet-stream" };
    known.unwrap_or(fallback).to_owned()
}

/// Whether the bytes are UTF-8, of which the last character may be cut, without control characters that text
/// does not have.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let (valid, _cut) = start.split_at_checked(error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_the_bytes() {
        assert_eq!(mime_type(b"\x89PNG\r\n\x1a\n0000"), "image/png");
        assert_eq!(mime_type(b"%PDF-1.7 ..."), "application/pdf");
        assert_eq!(mime_type("grüße\n".as_bytes()), "text/plain");
        assert_eq!(mime_type(b"gr\xc3"), "text/plain");
        assert_eq!(mime_type(b"a\0b"), "application/octet-stream");
        assert_eq!(mime_type(b"\xff\xfe\xfd"), "application/octet-stream");
    }

    #[tokio::test]
    async fn pieces_become_chunks() {
        let pieces = [100_000, 300_000, 1, 500_000].map(|size| Ok(Bytes::from(vec![7; size])));
        let source: Source = stream::iter(pieces).boxed();
        let chunks: Vec<_> = stream::try_unfold(source, next_chunk).boxed().collect().await;
        let sizes: Vec<usize> = chunks.into_iter().map(|chunk: Result<Bytes>| chunk.unwrap().len()).collect();
        assert_eq!(sizes, [262_144, 262_144, 262_144, 113_569]);
    }
}
