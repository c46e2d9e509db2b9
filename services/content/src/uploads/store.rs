//! Storing the bytes of a stream: parts are announced, written and committed, one after the other.

use shared::database::Database;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::digest::RunningDigest;
use super::incoming::{Incoming, UploadMessage};
use super::part_buffer::{Gathering, PART_BYTES, path_of};
use super::queries::{self, WrittenPart};
use super::upload_session::Intake;
use super::{Upload, kind};

impl Intake {
    /// Stores what arrives from this offset on, up to the end of the stream, and tells how far the upload has come. If
    /// the stream breaks, what arrived is stored as well.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (also `TOO_LARGE`, `UPLOAD_TOO_LONG`), `FAILED_PRECONDITION` (`UPLOAD_OFFSET_MISMATCH`,
    /// `UPLOAD_EXPIRED`, `UPLOAD_CLOSED`), `UNAVAILABLE`, and what breaks the stream.
    pub(crate) async fn store<M: UploadMessage>(
        &self,
        books: &Database,
        mut upload: Upload,
        offset: u64,
        incoming: &mut Incoming<M>,
    ) -> Result<Upload> {
        upload.require_open(self.clock.now())?;
        upload.require_offset(offset)?;
        let mut known = upload.committed().saturating_sub(offset);
        let mut part = self.open_part(books, &upload).await?;
        let broken = loop {
            let mut chunk = match self.next_chunk(incoming).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break None,
                Err(broken) => break Some(broken),
            };
            // What is stored already is not looked at again.
            let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.len());
            drop(chunk.split_to(skipped));
            known = known.saturating_sub(skipped as u64);
            upload.require_room(
                part.end().saturating_add(chunk.len() as u64),
                self.limits.max_attachment_bytes,
            )?;
            while !chunk.is_empty() {
                part.take(&mut chunk);
                if part.is_full() {
                    part = self.commit(books, &mut upload, part).await?;
                }
            }
        };
        if part.has_news() {
            self.commit(books, &mut upload, part).await?;
        }
        broken.map_or(Ok(upload), Err)
    }

    /// Announces the part that comes next: the last one anew if it is short, with the bytes that it has.
    async fn open_part(&self, books: &Database, upload: &Upload) -> Result<Gathering> {
        let tx = books.begin_as(upload.uploader_id).await?;
        let last = queries::last_part(&tx, upload.id).await?;
        let short = last.filter(|last| last.size.unsigned_abs() < PART_BYTES);
        let start = short.as_ref().map_or(upload.committed_size, |short| short.position);
        let part = Uuid::now_v7();
        if !queries::register_part(tx, upload.id, part, &path_of(part), start, self.clock.now()).await? {
            return Err(self.moved(books, upload).await);
        }
        let bytes = match short {
            // Gone, it was replaced meanwhile by another stream.
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
        Ok(Gathering { part, start, committed, bytes, digest })
    }

    /// Writes a part, commits it, and goes on with the next.
    async fn commit(&self, books: &Database, upload: &mut Upload, part: Gathering) -> Result<Gathering> {
        let (path, becomes) = (path_of(part.part), part.end());
        let mime_type = (part.start == 0).then(|| kind::mime_type(&part.bytes));
        self.storage.put(&path, part.bytes).await?;
        let committed_size = i64::try_from(becomes).map_err(Error::internal)?;
        let next = Uuid::now_v7();
        let next_path = path_of(next);
        let may_go_on = upload.size.is_none_or(|size| size.unsigned_abs() > becomes);
        let is_full = becomes.saturating_sub(part.start) >= PART_BYTES;
        let (digest, expires_at) = (part.digest.state(), self.expiry(upload.size));
        let written = WrittenPart {
            upload: upload.id,
            part: part.part,
            was: upload.committed_size,
            becomes: committed_size,
            digest: digest.clone(),
            mime_type,
            now: self.clock.now(),
            expires_at,
            next: (is_full && may_go_on).then_some((next, next_path.as_str())),
        };
        let tx = books.begin_as(upload.uploader_id).await?;
        if !queries::commit_part(tx, written).await? {
            // Its row may be gone, and then nobody else would delete it.
            self.storage.delete(&path).await?;
            return Err(self.moved(books, upload).await);
        }
        upload.committed_size = committed_size;
        upload.digest = Some(digest);
        upload.expires_at = expires_at;
        upload.mime_type = mime_type.map(str::to_owned).or(upload.mime_type.take());
        Ok(Gathering {
            part: next,
            start: becomes,
            committed: becomes,
            bytes: Vec::new(),
            digest: part.digest,
        })
    }
}
