//! Uploads from their creation to the attachment, for resumable uploads, uploads in one stream and imports.

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
use super::upload_stream::{UploadMessage, UploadStream};
use super::{Upload, UploadState, queries};
use crate::attachments::{Attachment, AttachmentInput, safe_filename};
use crate::storage::Storage;

/// Writes files; cheap to clone. Its methods take the database whose role they run under, on behalf of the uploader.
#[derive(Clone)]
pub struct UploadWriter {
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    pub(super) limits: FileLimits,
    shutdown: CancellationToken,
}

impl UploadWriter {
    pub fn new(context: &ServiceContext, storage: Storage, limits: FileLimits) -> Self {
        Self { storage, clock: context.clock.clone(), limits, shutdown: context.shutdown.clone() }
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.limits.max_attachment_bytes
    }

    pub(crate) fn new_upload(
        &self,
        input: AttachmentInput,
        size: Option<i64>,
        project_id: Uuid,
        uploader_id: Uuid,
    ) -> Upload {
        Upload {
            id: Uuid::now_v7(),
            attachment_id: input.id,
            entity_type: input.target.entity_type,
            entity_id: input.target.id,
            project_id,
            uploader_id,
            filename: safe_filename(&input.original_filename),
            original_filename: input.original_filename,
            metadata: input.metadata,
            size,
            sha256: input.sha256,
            state: UploadState::Open,
            committed_size: 0,
            digest: None,
            mime_type: None,
            created_at: self.clock.now(),
            expires_at: self.expiry(size),
        }
    }

    /// When an upload expires if no more bytes arrive. One without a size is not resumable and ends with its stream.
    pub(super) fn expiry(&self, size: Option<i64>) -> DateTime<Utc> {
        let lifetime = match size {
            Some(_) => self.limits.upload_lifetime(),
            None => TimeDelta::from_std(MAX_STREAM_TIMEOUT).unwrap_or(TimeDelta::MAX),
        };
        // PostgreSQL stores microseconds.
        (self.clock.now() + lifetime).trunc_subsecs(6)
    }

    /// Writes a whole file from one stream, and inserts its attachment in the transaction that `begin` returns, which
    /// begins when all bytes are stored. A failed upload is cancelled. `None` if the attachment exists already.
    pub(crate) async fn upload_whole<M: UploadMessage>(
        &self,
        database: &Database,
        upload: Upload,
        stream: &mut UploadStream<M>,
        created_at: Option<DateTime<Utc>>,
        begin: impl Future<Output = Result<Transaction>>,
    ) -> Result<Option<Attachment>> {
        let upload = queries::insert(database.begin_as(upload.uploader_id).await?, &upload).await?;
        let (id, uploader_id) = (upload.id, upload.uploader_id);
        let outcome = async {
            let upload = self.write_stream(database, upload, 0, stream).await?;
            let sha256 = self.verify(&upload, None)?;
            self.complete(begin.await?, &upload, &sha256, created_at).await
        };
        let outcome = outcome.await;
        if outcome.is_err()
            && let Err(error) = self.cancel(database, id, uploader_id).await
        {
            tracing::warn!(upload = %id, %error, "a failed upload is not cancelled and will expire");
        }
        outcome
    }

    /// Checks that all bytes are stored, and returns their hash.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` (`UPLOAD_INCOMPLETE`), `INVALID_ARGUMENT`, `DATA_LOSS` (`CHECKSUM_MISMATCH`).
    pub(crate) fn verify(&self, upload: &Upload, expected_sha256: Option<&str>) -> Result<String> {
        let sha256 = RunningDigest::restore(upload.digest.as_deref())?.finish();
        upload.require_complete(&sha256, expected_sha256)?;
        Ok(sha256)
    }

    /// Inserts the attachment of a verified upload, and commits. `None` if the upload has changed, or if the attachment
    /// exists already.
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

    async fn cancel(&self, database: &Database, id: Uuid, uploader_id: Uuid) -> Result<()> {
        queries::cancel(database.begin_as(uploader_id).await?, id, self.clock.now()).await?;
        Ok(())
    }

    /// The next bytes of a stream, which ends with `UNAVAILABLE` at shutdown.
    pub(super) async fn next_chunk<M: UploadMessage>(
        &self,
        stream: &mut UploadStream<M>,
    ) -> Result<Option<Bytes>> {
        tokio::select! {
            chunk = stream.chunk() => chunk,
            () = self.shutdown.cancelled() => Err(Error::unavailable("content", "the service is shutting down")),
        }
    }

    /// Why an upload did not accept a part: its state has changed.
    pub(super) async fn state_error(&self, database: &Database, upload: &Upload) -> Error {
        let upload = async {
            let tx = database.begin_as(upload.uploader_id).await?;
            let found = queries::get(&tx, upload.id).await?;
            tx.finish();
            let found = found.ok_or_else(|| Error::not_found("upload", upload.id))?;
            found.require_open(self.clock.now())?;
            Ok(found)
        };
        upload.await.map_or_else(|error: Error| error, |upload| upload.offset_mismatch())
    }
}

/// Runs a future to its end even if the client disconnects, so that the bytes that arrived are stored or cleaned up.
pub(crate) async fn run_to_completion<T: Send + 'static>(
    context: &ServiceContext,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let bounded = async move {
        let outcome =
            tokio::time::timeout(MAX_STREAM_TIMEOUT, future).await.unwrap_or(Err(Error::DeadlineExceeded));
        // Fails if the client has disconnected.
        let _disconnected = sender.send(outcome);
    };
    context.spawn(bounded.instrument(tracing::Span::current()));
    receiver.await.map_err(Error::internal)?
}
