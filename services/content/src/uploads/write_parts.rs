//! Writes the bytes of a stream: parts are registered, written and committed, one after the other.

use shared::database::Database;
use shared::error::{Error, Result};
use shared::server::{BytesInFlight, HeldBytes};
use uuid::Uuid;

use super::digest::RunningDigest;
use super::part_buffer::{PART_BYTES, PartBuffer, path_of};
use super::queries::{self, WrittenPart};
use super::upload_stream::{UploadMessage, UploadStream};
use super::writer::UploadWriter;
use super::{Upload, mime_type};

impl UploadWriter {
    /// Writes the bytes of a stream from this offset on, and returns the upload as it is then. If the stream breaks, the
    /// bytes that arrived are stored.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (also `TOO_LARGE`, `UPLOAD_TOO_LONG`), `FAILED_PRECONDITION` (`UPLOAD_OFFSET_MISMATCH`,
    /// `UPLOAD_EXPIRED`, `UPLOAD_CLOSED`), `UNAVAILABLE`, and those of the stream.
    pub(crate) async fn write_stream<M: UploadMessage>(
        &self,
        database: &Database,
        mut upload: Upload,
        offset: u64,
        stream: &mut UploadStream<M>,
    ) -> Result<Upload> {
        upload.require_open(self.clock.now())?;
        upload.require_offset(offset)?;
        let mut duplicate = upload.committed().saturating_sub(offset);
        let mut part = self.open_part(database, &upload, stream.budget()).await?;
        let failure = 'stream: loop {
            let mut chunk = match self.next_chunk(stream).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            let skipped = usize::try_from(duplicate).unwrap_or(usize::MAX).min(chunk.len());
            drop(chunk.split_to(skipped));
            duplicate = duplicate.saturating_sub(skipped as u64);
            upload.require_size_allowed(
                part.end().saturating_add(chunk.len() as u64),
                self.limits.max_attachment_bytes,
            )?;
            while !chunk.is_empty() {
                let capacity = part.capacity_with(&chunk);
                if let Err(error) = stream.budget().resize(&mut part.held, capacity as u64) {
                    break 'stream Some(error);
                }
                part.fill_from(&mut chunk);
                if part.is_full() {
                    part = self.commit(database, &mut upload, part).await?;
                }
            }
        };
        if part.has_unstored_bytes() {
            self.commit(database, &mut upload, part).await?;
        }
        failure.map_or(Ok(upload), Err)
    }

    /// Registers the next part. If the last part is short, the next one replaces it and begins with its bytes.
    async fn open_part(
        &self,
        database: &Database,
        upload: &Upload,
        budget: &BytesInFlight,
    ) -> Result<PartBuffer> {
        let tx = database.begin_as(upload.uploader_id).await?;
        let last = queries::last_part(&tx, upload.id).await?;
        let short = last.filter(|last| last.size.unsigned_abs() < PART_BYTES);
        let start = short.as_ref().map_or(upload.committed_size, |short| short.position);
        let part = Uuid::now_v7();
        if !queries::register_part(tx, upload.id, part, &path_of(part), start, self.clock.now()).await? {
            return Err(self.state_error(database, upload).await);
        }
        let bytes = match short {
            // If it does not exist any more, another stream has replaced it.
            Some(short) => {
                self.storage.get(&short.path).await?.ok_or_else(|| upload.offset_mismatch())?.to_vec()
            }
            None => Vec::new(),
        };
        let (start, committed) = (start.unsigned_abs(), upload.committed());
        if start.saturating_add(bytes.len() as u64) != committed {
            return Err(upload.offset_mismatch());
        }
        let digest = RunningDigest::restore(upload.digest.as_deref())?;
        let mut held = HeldBytes::default();
        budget.resize(&mut held, bytes.capacity() as u64)?;
        Ok(PartBuffer { part, start, committed, bytes, held, digest })
    }

    /// Writes and commits a part, and returns the next.
    async fn commit(&self, database: &Database, upload: &mut Upload, part: PartBuffer) -> Result<PartBuffer> {
        let (path, new_size) = (path_of(part.part), part.end());
        let mime_type = (part.start == 0).then(|| mime_type::detect(&part.bytes));
        self.storage.put(&path, part.bytes).await?;
        let committed_size = i64::try_from(new_size).map_err(Error::internal)?;
        let next = Uuid::now_v7();
        let next_path = path_of(next);
        let has_next = upload.size.is_none_or(|size| size.unsigned_abs() > new_size);
        let is_full = new_size.saturating_sub(part.start) >= PART_BYTES;
        let (digest, expires_at) = (part.digest.state(), self.expiry(upload.size));
        let written = WrittenPart {
            upload: upload.id,
            part: part.part,
            old_size: upload.committed_size,
            new_size: committed_size,
            digest: digest.clone(),
            mime_type,
            now: self.clock.now(),
            expires_at,
            next: (is_full && has_next).then_some((next, next_path.as_str())),
        };
        let tx = database.begin_as(upload.uploader_id).await?;
        if !queries::commit_part(tx, written).await? {
            // Its row may be deleted already; then nothing else would delete the object.
            self.storage.delete(&path).await?;
            return Err(self.state_error(database, upload).await);
        }
        upload.committed_size = committed_size;
        upload.digest = Some(digest);
        upload.expires_at = expires_at;
        upload.mime_type = mime_type.map(str::to_owned).or(upload.mime_type.take());
        Ok(PartBuffer {
            part: next,
            start: new_size,
            committed: new_size,
            bytes: Vec::new(),
            held: HeldBytes::default(),
            digest: part.digest,
        })
    }
}
