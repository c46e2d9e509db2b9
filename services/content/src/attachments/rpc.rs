//! The methods of attachments.

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use proto::content::v1 as pb;
use proto::content::v1::download_attachment_response::Part;
use shared::access::Permission::{AttachmentDelete, AttachmentRead, AttachmentWrite};
use shared::access::{AccessTarget, AuthorizedTransaction};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::etag;
use shared::idempotency::{self, RequestKey};
use shared::page::{AfterTime, Page};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::wire::{DownloadInput, UpdateAttachmentInput, UploadInput, attachment_id};
use super::{Attachment, AttachmentChange, queries};
use crate::access_target;
use crate::handler::ContentHandler;
use crate::page::to_page;
use crate::schema::NAME;
use crate::storage::ObjectRange;
use crate::targets::access::{access_target_of, confirm_task_exists, lock_target};
use crate::targets::{ContentTarget, EntityType};
use crate::uploads::upload_stream::UploadStream;
use crate::uploads::writer::run_to_completion;

type RpcResult<T> = Result<Response<T>, Status>;

impl ContentHandler {
    async fn store_attachment(
        &self,
        caller: &Caller,
        mut stream: UploadStream<pb::UploadAttachmentRequest>,
    ) -> Result<Attachment> {
        let UploadInput { key, attachment } = stream.header().await?.try_into()?;
        let (id, target) = (attachment.id, attachment.target);
        let access_target = access_target_of(&self.context, target).await?;
        // No bytes are read before the permission is checked.
        let AuthorizedTransaction { tx, access, found } =
            self.begin_attachment_write(caller, &access_target, target, id, &key).await?;
        if let Some(earlier) = found {
            access.require(AttachmentRead)?;
            return or_not_found(queries::get(&tx, earlier).await?, earlier);
        }
        drop(tx);
        let upload = self.upload_writer.new_upload(attachment, None, access.project_id, access.user_id);
        let mut earlier = None;
        // An upload may take long: the permission is checked again in the transaction that inserts the attachment.
        let begin = async {
            let AuthorizedTransaction { tx, access, found } =
                self.begin_attachment_write(caller, &access_target, target, id, &key).await?;
            match found {
                None => Ok(tx),
                Some(first) => {
                    access.require(AttachmentRead)?;
                    earlier = queries::get(&tx, first).await?;
                    Err(Error::not_found("attachment", first))
                }
            }
        };
        let uploaded =
            self.upload_writer.upload_whole(&self.context.database, upload, &mut stream, None, begin).await;
        if let Some(earlier) = earlier {
            return Ok(earlier);
        }
        let attachment = or_not_found(uploaded?, id)?;
        self.context.signal.announce();
        confirm_task_exists(&self.context, target).await?;
        Ok(attachment)
    }

    /// Checks the permission, prevents the deletion of the document and claims the key.
    async fn begin_attachment_write(
        &self,
        caller: &Caller,
        access_target: &AccessTarget,
        target: ContentTarget,
        id: Uuid,
        key: &Option<RequestKey>,
    ) -> Result<AuthorizedTransaction<Option<Uuid>>> {
        let user_id = caller.user()?.user_id;
        let begun = self.authorizer.begin(caller, access_target, AttachmentWrite, |conn| {
            let key = key.clone();
            async move {
                let claim = idempotency::claim(conn, NAME, user_id, "UploadAttachment", key.as_ref(), id);
                let (_, earlier) = futures::try_join!(lock_target(conn, target), claim)?;
                Ok(earlier)
            }
            .boxed()
        });
        begun.await
    }

    /// Finds an attachment and where the requested bytes are, in one round trip.
    async fn find_attachment_bytes(
        &self,
        caller: &Caller,
        input: DownloadInput,
    ) -> Result<(Attachment, Vec<ObjectRange>)> {
        let DownloadInput { id, range } = input;
        let target = access_target::attachment(id);
        let begun = self.authorizer.begin(caller, &target, AttachmentRead, |conn| {
            let range = range.clone();
            async move { futures::try_join!(queries::get(conn, id), queries::find_ranges(conn, id, range)) }
                .boxed()
        });
        let (attachment, ranges) = begun.await?.finish();
        let attachment = or_not_found(attachment, id)?;
        if range.start > attachment.file_size {
            return Err(Error::invalid("offset", format!("the file has {} bytes", attachment.file_size)));
        }
        Ok((attachment, ranges))
    }

    async fn list_attachments_of(
        &self,
        caller: &Caller,
        target: ContentTarget,
        page: &Page<AfterTime>,
    ) -> Result<Vec<Attachment>> {
        let (after, size) = (page.after, page.size);
        let list = async |access_target: AccessTarget| {
            let begun = self.authorizer.begin(caller, &access_target, AttachmentRead, |conn| {
                queries::list(conn, target, after, size).boxed()
            });
            begun.await.map(AuthorizedTransaction::finish)
        };
        if target.entity_type == EntityType::Task {
            // What a task has here tells its project. Only a task without anything must be resolved.
            match list(access_target::known_task(target.id)).await {
                Err(Error::NotFound { .. }) => {}
                listed => return listed,
            }
        }
        list(access_target_of(&self.context, target).await?).await
    }

    async fn change_attachment(&self, caller: &Caller, input: UpdateAttachmentInput) -> Result<Attachment> {
        let UpdateAttachmentInput { id, etag, filename, metadata } = input;
        let AuthorizedTransaction { tx, access, found } = self
            .authorizer
            .begin(caller, &access_target::attachment(id), AttachmentWrite, |conn| {
                queries::lock(conn, id).boxed()
            })
            .await?;
        access.require(AttachmentRead)?;
        let attachment = or_not_found(found, id)?;
        etag::check(&etag, attachment.row_version)?;
        let metadata = metadata
            .map(|change| change.apply_within_limits("metadata", attachment.metadata.clone()))
            .transpose()?;
        let change = AttachmentChange { filename, metadata };
        match change.without_unchanged(&attachment) {
            Some(change) => queries::update(tx, &access, id, &change).await,
            None => Ok(attachment),
        }
    }

    pub(crate) async fn upload_attachment(
        &self,
        request: Request<Streaming<pb::UploadAttachmentRequest>>,
    ) -> RpcResult<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let (handler, stream) = (self.clone(), UploadStream::new(request)?);
        let uploaded =
            run_to_completion(&self.context, async move { handler.store_attachment(&caller, stream).await });
        Ok(Response::new(uploaded.await?.into()))
    }

    pub(crate) async fn download_attachment(
        &self,
        request: Request<pb::DownloadAttachmentRequest>,
    ) -> RpcResult<BoxStream<'static, Result<pb::DownloadAttachmentResponse, Status>>> {
        let caller = Caller::of(&request)?;
        let (attachment, ranges) =
            self.find_attachment_bytes(&caller, request.into_inner().try_into()?).await?;
        let message = |part| pb::DownloadAttachmentResponse { part: Some(part) };
        let first = message(Part::Attachment(attachment.into()));
        let rest = self
            .storage
            .read(ranges)
            .map(move |chunk| Ok(message(Part::Chunk(chunk.map_err(Status::from)?))));
        Ok(Response::new(stream::once(async { Ok(first) }).chain(rest).boxed()))
    }

    pub(crate) async fn get_attachment(
        &self,
        request: Request<pb::GetAttachmentRequest>,
    ) -> RpcResult<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let id = attachment_id(&request.into_inner().attachment_id)?;
        let attachment = self
            .authorizer
            .begin(&caller, &access_target::attachment(id), AttachmentRead, |conn| {
                queries::get(conn, id).boxed()
            })
            .await?
            .finish();
        Ok(Response::new(or_not_found(attachment, id)?.into()))
    }

    pub(crate) async fn list_attachments(
        &self,
        request: Request<pb::ListAttachmentsRequest>,
    ) -> RpcResult<pb::ListAttachmentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let target = ContentTarget::try_from(&request)?;
        let query = format!("ListAttachments {} {target:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;
        let rows = self.list_attachments_of(&caller, target, &page).await?;
        let position = |row: &Attachment| AfterTime { at: row.created_at, id: row.id };
        let (attachments, next_page_token) = to_page(&self.context.pages, &query, page.size, rows, position)?;
        Ok(Response::new(pb::ListAttachmentsResponse { attachments, next_page_token }))
    }

    pub(crate) async fn update_attachment(
        &self,
        request: Request<pb::UpdateAttachmentRequest>,
    ) -> RpcResult<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let attachment = self.change_attachment(&caller, request.into_inner().try_into()?).await?;
        self.context.signal.announce();
        Ok(Response::new(attachment.into()))
    }

    pub(crate) async fn delete_attachment(
        &self,
        request: Request<pb::DeleteAttachmentRequest>,
    ) -> RpcResult<pb::DeleteAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let pb::DeleteAttachmentRequest { attachment_id: id, etag } = request.into_inner();
        let id = attachment_id(&id)?;
        let AuthorizedTransaction { tx, access, found } = self
            .authorizer
            .begin(&caller, &access_target::attachment(id), AttachmentDelete, |conn| {
                queries::lock(conn, id).boxed()
            })
            .await?;
        etag::check(&etag, or_not_found(found, id)?.row_version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteAttachmentResponse {}))
    }
}

fn or_not_found(attachment: Option<Attachment>, id: Uuid) -> Result<Attachment> {
    attachment.ok_or_else(|| Error::not_found("attachment", id))
}
