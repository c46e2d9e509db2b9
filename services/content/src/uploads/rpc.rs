//! The methods of resumable uploads.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::AuthorizedTransaction;
use shared::access::Permission::{AttachmentRead, AttachmentWrite};
use shared::caller::Caller;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::upload_stream::UploadStream;
use super::wire::{CompleteUploadInput, CreateUploadInput, UploadChunksInput, upload_id};
use super::writer::run_to_completion;
use super::{MAX_OPEN_UPLOADS, Upload, UploadState, queries, too_large};
use crate::access_target;
use crate::attachments::{self, Attachment};
use crate::handler::ContentHandler;
use crate::schema::NAME;
use crate::targets::EntityType;
use crate::targets::access::{access_target_of, confirm_task_exists, lock_target};

type RpcResult<T> = Result<Response<T>, Status>;

impl ContentHandler {
    async fn insert_upload(&self, caller: &Caller, input: CreateUploadInput) -> Result<Upload> {
        let CreateUploadInput { key, attachment, size } = input;
        if size.unsigned_abs() > self.upload_writer.max_bytes() {
            return Err(too_large(self.upload_writer.max_bytes()));
        }
        let (user_id, target) = (caller.user()?.user_id, attachment.target);
        let access_target = access_target_of(&self.context, target).await?;
        let mut upload = self.upload_writer.new_upload(attachment, Some(size), Uuid::nil(), user_id);
        let (id, now) = (upload.id, upload.created_at);
        let begun = self.authorizer.begin(caller, &access_target, AttachmentWrite, |conn| {
            let key = key.clone();
            async move {
                let claim = idempotency::claim(conn, NAME, user_id, "CreateUpload", key.as_ref(), id);
                let open = queries::count_open(conn, user_id, now);
                let (_, open, earlier) = futures::try_join!(lock_target(conn, target), open, claim)?;
                Ok((open, earlier))
            }
            .boxed()
        });
        let AuthorizedTransaction { tx, access, found: (open, earlier) } = begun.await?;
        if let Some(earlier) = earlier {
            return queries::get(&tx, earlier).await?.ok_or_else(|| Error::not_found("upload", earlier));
        }
        if open >= MAX_OPEN_UPLOADS {
            return Err(Error::Precondition {
                reason: ErrorReason::TooManyUploads,
                message: "too many uploads are open; complete or cancel some".to_owned(),
                metadata: vec![("limit", MAX_OPEN_UPLOADS.to_string())],
            });
        }
        upload.project_id = access.project_id;
        queries::insert(tx, &upload).await
    }

    async fn find_upload(&self, caller: &Caller, id: Uuid) -> Result<AuthorizedTransaction<Upload>> {
        let target = access_target::upload(id);
        let begun = self
            .authorizer
            .begin(caller, &target, AttachmentWrite, |conn| queries::get(conn, id).boxed())
            .await?;
        let AuthorizedTransaction { tx, access, found } = begun;
        Ok(AuthorizedTransaction { tx, access, found: found.ok_or_else(|| target.not_found())? })
    }

    async fn write_chunks(
        &self,
        caller: &Caller,
        mut stream: UploadStream<pb::UploadChunksRequest>,
    ) -> Result<Upload> {
        let UploadChunksInput { upload_id, offset } = stream.header().await?.try_into()?;
        let upload = self.find_upload(caller, upload_id).await?.finish();
        self.upload_writer.write_stream(&self.context.database, upload, offset, &mut stream).await
    }

    async fn finish_upload(&self, caller: &Caller, input: CompleteUploadInput) -> Result<Attachment> {
        let CompleteUploadInput { upload_id: id, sha256 } = input;
        let target = access_target::upload(id);
        let begun = self.authorizer.begin(caller, &target, AttachmentWrite, |conn| {
            async move {
                    futures::try_join!(queries::get(conn, id), queries::lock_document_of_upload(conn, id))
                }
                .boxed()
        });
        let AuthorizedTransaction { tx, access, found: (upload, has_document) } = begun.await?;
        let upload = upload.ok_or_else(|| target.not_found())?;
        if upload.state == UploadState::Completed {
            access.require(AttachmentRead)?;
            let attachment = attachments::queries::get(&tx, upload.attachment_id).await?;
            return attachment.ok_or_else(|| Error::not_found("attachment", upload.attachment_id));
        }
        upload.require_open(self.context.clock.now())?;
        if upload.entity_type == EntityType::Document && !has_document {
            return Err(Error::not_found("document", upload.entity_id));
        }
        let hash = self.upload_writer.verify(&upload, sha256.as_deref())?;
        match self.upload_writer.complete(tx, &upload, &hash, None).await? {
            Some(attachment) => {
                self.context.signal.announce();
                confirm_task_exists(&self.context, attachment.target()).await?;
                Ok(attachment)
            }
            None => self.find_completed_attachment(caller, id).await,
        }
    }

    /// The attachment that a concurrent call has created.
    async fn find_completed_attachment(&self, caller: &Caller, id: Uuid) -> Result<Attachment> {
        let AuthorizedTransaction { tx, access, found: upload } = self.find_upload(caller, id).await?;
        access.require(AttachmentRead)?;
        if upload.state != UploadState::Completed {
            upload.require_open(self.context.clock.now())?;
            return Err(upload.offset_mismatch());
        }
        let attachment = attachments::queries::get(&tx, upload.attachment_id).await?;
        attachment.ok_or_else(|| Error::not_found("attachment", upload.attachment_id))
    }

    async fn end_upload(&self, caller: &Caller, id: Uuid) -> Result<Upload> {
        let AuthorizedTransaction { tx, found: upload, .. } = self.find_upload(caller, id).await?;
        if matches!(upload.state_at(self.context.clock.now()), UploadState::Cancelled | UploadState::Expired)
        {
            return Ok(upload);
        }
        upload.require_open(self.context.clock.now())?;
        queries::cancel(tx, id, self.context.clock.now()).await?;
        self.context.signal.announce();
        // A concurrent call may have closed it first.
        let closed = self.find_upload(caller, id).await?.finish();
        if closed.state == UploadState::Completed {
            closed.require_open(self.context.clock.now())?
        }
        Ok(closed)
    }

    fn respond(&self, upload: Upload) -> RpcResult<pb::Upload> {
        Ok(Response::new(upload.into_wire(self.context.clock.now())))
    }

    pub(crate) async fn create_upload(
        &self,
        request: Request<pb::CreateUploadRequest>,
    ) -> RpcResult<pb::Upload> {
        let caller = Caller::of(&request)?;
        let input = request.into_inner().try_into()?;
        self.respond(self.insert_upload(&caller, input).await?)
    }

    pub(crate) async fn upload_chunks(
        &self,
        request: Request<Streaming<pb::UploadChunksRequest>>,
    ) -> RpcResult<pb::Upload> {
        let caller = Caller::of(&request)?;
        let (handler, stream) = (self.clone(), UploadStream::new(request)?);
        let written =
            run_to_completion(&self.context, async move { handler.write_chunks(&caller, stream).await });
        self.respond(written.await?)
    }

    pub(crate) async fn get_upload(&self, request: Request<pb::GetUploadRequest>) -> RpcResult<pb::Upload> {
        let caller = Caller::of(&request)?;
        let id = upload_id(&request.into_inner().upload_id)?;
        self.respond(self.find_upload(&caller, id).await?.finish())
    }

    pub(crate) async fn complete_upload(
        &self,
        request: Request<pb::CompleteUploadRequest>,
    ) -> RpcResult<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let input = request.into_inner().try_into()?;
        Ok(Response::new(self.finish_upload(&caller, input).await?.into()))
    }

    pub(crate) async fn cancel_upload(
        &self,
        request: Request<pb::CancelUploadRequest>,
    ) -> RpcResult<pb::Upload> {
        let caller = Caller::of(&request)?;
        let id = upload_id(&request.into_inner().upload_id)?;
        self.respond(self.end_upload(&caller, id).await?)
    }
}
