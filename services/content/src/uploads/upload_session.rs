//! The life of an upload, for all who bring files: the resumable uploads, the short way of one stream, and imports.

use std::future::Future;

use crate::storage::FileLimits;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use prost::bytes::Bytes;
use shared::clock::Clock;
use shared::database::{Database, Transaction};
use shared::error::{Error, Result};
use shared::server::MAX_STREAM_TIMEOUT;
use shared::service::ServiceContext;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::digest::RunningDigest;
use super::incoming::{Incoming, UploadMessage};
use super::{Upload, UploadState, queries};
use crate::attachments::{Attachment, Description, safe_filename};
use crate::storage::Storage;

/// Takes files in; cheap to clone. Its books are kept in the database that the caller names, for the uploader.
#[derive(Clone)]
pub struct Intake {
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    pub(super) limits: FileLimits,
    shutdown: CancellationToken,
}

impl Intake {
    /// On this context, into this store.
    pub fn new(context: &ServiceContext, storage: Storage, limits: FileLimits) -> Self {
        Self { storage, clock: context.clock.clone(), limits, shutdown: context.shutdown.clone() }
    }

    /// Largest file that is taken, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.limits.max_attachment_bytes
    }

    /// An upload of what is described, of which nothing is stored.
    pub(crate) fn plan(
        &self,
        of: Description,
        size: Option<i64>,
        project_id: Uuid,
        uploader_id: Uuid,
    ) -> Upload {
        Upload {
            id: Uuid::now_v7(),
            attachment_id: of.id,
            entity_type: of.entity.kind,
            entity_id: of.entity.id,
            project_id,
            uploader_id,
            filename: safe_filename(&of.original_filename),
            original_filename: of.original_filename,
            metadata: of.metadata,
            size,
            sha256: of.sha256,
            state: UploadState::Open,
            committed_size: 0,
            digest: None,
            mime_type: None,
            created_at: self.clock.now(),
            expires_at: self.expiry(size),
        }
    }

    /// When an upload expires that hears nothing from now on. One without a size is of one stream and not resumed.
    pub(super) fn expiry(&self, size: Option<i64>) -> DateTime<Utc> {
        let lifetime = match size {
            Some(_) => self.limits.upload_lifetime(),
            None => TimeDelta::from_std(MAX_STREAM_TIMEOUT).unwrap_or(TimeDelta::MAX),
        };
        // As the database keeps it.
        (self.clock.now() + lifetime).trunc_subsecs(6)
    }

    /// Stores a whole file from one stream, and makes an attachment of it in the transaction that `enter` opens. That
    /// is not begun before all bytes are there, because they may take long. Nothing is kept of a file that fails. `None` if
    /// there is such an attachment already.
    pub(crate) async fn take_whole<M: UploadMessage>(
        &self,
        books: &Database,
        upload: Upload,
        incoming: &mut Incoming<M>,
        created_at: Option<DateTime<Utc>>,
        enter: impl Future<Output = Result<Transaction>>,
    ) -> Result<Option<Attachment>> {
        let upload = queries::insert(books.begin_as(upload.uploader_id).await?, &upload).await?;
        let (id, uploader_id) = (upload.id, upload.uploader_id);
        let outcome = async {
            let upload = self.store(books, upload, 0, incoming).await?;
            let sha256 = self.checked(&upload, None)?;
            self.complete(enter.await?, &upload, &sha256, created_at).await
        };
        let outcome = outcome.await;
        if outcome.is_err()
            && let Err(error) = self.cancel(books, id, uploader_id).await
        {
            tracing::warn!(upload = %id, %error, "an upload that failed is left to expire");
        }
        outcome
    }

    /// The hash of an upload that is whole and what was announced.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_INCOMPLETE`), `INVALID_ARGUMENT`, `DATA_LOSS` (`CHECKSUM_MISMATCH`).
    pub(crate) fn checked(&self, upload: &Upload, expected_sha256: Option<&str>) -> Result<String> {
        let sha256 = RunningDigest::restore(upload.digest.as_deref())?.finish();
        upload.require_whole(&sha256, expected_sha256)?;
        Ok(sha256)
    }

    /// Makes an attachment of an upload that was checked, and commits. `None` if the upload has moved, or if there is
    /// such an attachment already.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn complete(
        &self,
        tx: Transaction,
        upload: &Upload,
        sha256: &str,
        created_at: Option<DateTime<Utc>>,
    ) -> Result<Option<Attachment>> {
        let now = self.clock.now();
        queries::complete(tx, upload, sha256, now, created_at.unwrap_or(now)).await
    }

    /// Gives an open upload up.
    async fn cancel(&self, books: &Database, id: Uuid, uploader_id: Uuid) -> Result<()> {
        queries::cancel(books.begin_as(uploader_id).await?, id, self.clock.now()).await?;
        Ok(())
    }

    /// The next bytes of a stream. When the service stops, the stream breaks.
    pub(super) async fn next_chunk<M: UploadMessage>(
        &self,
        incoming: &mut Incoming<M>,
    ) -> Result<Option<Bytes>> {
        tokio::select! {
            chunk = incoming.chunk() => chunk,
            () = self.shutdown.cancelled() => Err(Error::unavailable("content", "the service stops")),
        }
    }

    /// What to say about bytes that the books do not take: the upload has moved meanwhile.
    pub(super) async fn moved(&self, books: &Database, upload: &Upload) -> Error {
        let found = async {
            let tx = books.begin_as(upload.uploader_id).await?;
            let found = queries::get(&tx, upload.id).await?;
            tx.finish();
            let found = found.ok_or_else(|| Error::not_found("upload", upload.id))?;
            found.require_open(self.clock.now())?;
            Ok(found)
        };
        found.await.map_or_else(|error: Error| error, |found| found.offset_mismatch())
    }
}

/// Does something to its end even if the client goes away: then what arrived is still stored or cleaned up.
///
/// # Errors
/// Those of the work.
pub(crate) async fn to_the_end<T: Send + 'static>(
    context: &ServiceContext,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let bounded = async move {
        let outcome =
            tokio::time::timeout(MAX_STREAM_TIMEOUT, work).await.unwrap_or(Err(Error::DeadlineExceeded));
        // Nobody may be waiting for it any more.
        let _unheard = sender.send(outcome);
    };
    context.spawn(bounded.instrument(tracing::Span::current()));
    receiver.await.map_err(Error::internal)?
}
