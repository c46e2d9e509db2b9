//! The attachment service's methods.

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use proto::content::v1 as pb;
use shared::access::Permission::{AttachmentDelete, AttachmentRead, AttachmentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::idempotency::{self, RequestKey};
use shared::page::AfterTime;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::places::{keep, place_of, still_there};
use super::wire::{Download, Upload, attachment_id};
use super::{Attachment, Entity, EntityType, queries};
use crate::NAME;
use crate::entrance::{Entered, Entrance, Place};
use crate::storage::{Piece, Storage};
use crate::uploads::incoming::Incoming;
use crate::uploads::upload_session::{Intake, to_the_end};

type Answer<T> = Result<Response<T>, Status>;

/// The attachment service.
#[derive(Clone)]
pub struct Attachments {
    context: ServiceContext,
    entrance: Entrance,
    intake: Intake,
    storage: Storage,
}

impl Attachments {
    pub fn new(context: ServiceContext, entrance: Entrance, intake: Intake, storage: Storage) -> Self {
        Self { context, entrance, intake, storage }
    }

    async fn upload(
        &self,
        caller: &Caller,
        mut incoming: Incoming<pb::UploadAttachmentRequest>,
    ) -> Result<Attachment> {
        let Upload { key, description } = incoming.header().await?.try_into()?;
        let (id, entity) = (description.id, description.entity);
        let place = place_of(&self.context, entity).await?;
        // Nobody's bytes are read before it is known that they may be kept.
        let Entered { tx, access, found } = self.enter_to_write(caller, place, entity, id, &key).await?;
        if let Some(earlier) = found {
            return found_again(queries::get(&tx, earlier).await?, earlier);
        }
        drop(tx);
        let upload = self.intake.plan(description, None, access.project_id, access.user_id);
        let mut earlier = None;
        // Uploads take long: what was true before is asked again, in the transaction of the row.
        let enter = async {
            let Entered { tx, found, .. } = self.enter_to_write(caller, place, entity, id, &key).await?;
            match found {
                None => Ok(tx),
                Some(first) => {
                    earlier = queries::get(&tx, first).await?;
                    Err(Error::not_found("attachment", first))
                }
            }
        };
        let taken = self.intake.take_whole(&self.context.database, upload, &mut incoming, None, enter).await;
        if let Some(earlier) = earlier {
            return Ok(earlier);
        }
        let attachment = found_again(taken?, id)?;
        self.context.signal.announce();
        still_there(&self.context, attachment).await
    }

    /// Proves the permission, keeps the document from going away, and claims the key.
    async fn enter_to_write(
        &self,
        caller: &Caller,
        place: Place,
        entity: Entity,
        id: Uuid,
        key: &Option<RequestKey>,
    ) -> Result<Entered<Option<Uuid>>> {
        let user_id = caller.user()?.user_id;
        let entered = self.entrance.enter(caller, place, AttachmentWrite, |conn| {
            let key = key.clone();
            async move {
                let claim = idempotency::claim(conn, NAME, user_id, "UploadAttachment", key.as_ref(), id);
                let (_, earlier) = futures::try_join!(keep(conn, entity), claim)?;
                Ok(earlier)
            }
            .boxed()
        });
        entered.await
    }

    /// An attachment and where these of its bytes are, in one round trip.
    async fn find_bytes(&self, caller: &Caller, download: Download) -> Result<(Attachment, Vec<Piece>)> {
        let Download { id, range } = download;
        let entered = self.entrance.enter(caller, Place::attachment(id), AttachmentRead, |conn| {
            let range = range.clone();
            async move { futures::try_join!(queries::get(conn, id), queries::pieces(conn, id, range)) }
                .boxed()
        });
        let (attachment, pieces) = entered.await?.finish();
        let attachment = found_again(attachment, id)?;
        if range.start > attachment.file_size {
            return Err(Error::invalid("offset", format!("the file has {} bytes", attachment.file_size)));
        }
        Ok((attachment, pieces))
    }

    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Attachment> {
        let entered = self
            .entrance
            .enter(caller, Place::attachment(id), AttachmentRead, |conn| queries::get(conn, id).boxed())
            .await?;
        entered.finish().ok_or_else(|| Error::not_found("attachment", id))
    }

    async fn page(
        &self,
        caller: &Caller,
        entity: Entity,
        after: Option<AfterTime>,
        size: i64,
    ) -> Result<Vec<Attachment>> {
        let place = match entity.kind {
            EntityType::Project => Place::project(entity.id),
            EntityType::Document => Place::document(entity.id),
            EntityType::Task => Place::task_files(entity.id),
        };
        let entered = self
            .entrance
            .enter(caller, place, AttachmentRead, |conn| queries::list(conn, entity, after, size).boxed());
        match entered.await {
            Ok(entered) => Ok(entered.finish()),
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn found_again(attachment: Option<Attachment>, id: Uuid) -> Result<Attachment> {
    attachment.ok_or_else(|| Error::not_found("attachment", id))
}

impl Attachments {
    pub(crate) async fn upload_attachment(
        &self,
        request: Request<Streaming<pb::UploadAttachmentRequest>>,
    ) -> Answer<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let (service, incoming) = (self.clone(), Incoming::new(request.into_inner()));
        let uploaded = to_the_end(&self.context, async move { service.upload(&caller, incoming).await });
        Ok(Response::new(uploaded.await?.into()))
    }

    pub(crate) async fn download_attachment(
        &self,
        request: Request<pb::DownloadAttachmentRequest>,
    ) -> Answer<BoxStream<'static, Result<pb::DownloadAttachmentResponse, Status>>> {
        let caller = Caller::of(&request)?;
        let wish = request.into_inner().try_into()?;
        let (attachment, pieces) = self.find_bytes(&caller, wish).await?;
        let bytes = self.storage.read(pieces);
        let first =
            pb::DownloadAttachmentResponse { attachment: Some(attachment.into()), chunk: Default::default() };
        let rest = bytes.map(|chunk| {
            Ok(pb::DownloadAttachmentResponse { attachment: None, chunk: chunk.map_err(Status::from)? })
        });
        Ok(Response::new(stream::once(async { Ok(first) }).chain(rest).boxed()))
    }

    pub(crate) async fn get_attachment(
        &self,
        request: Request<pb::GetAttachmentRequest>,
    ) -> Answer<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let id = attachment_id(&request.into_inner().attachment_id)?;
        Ok(Response::new(self.find(&caller, id).await?.into()))
    }

    pub(crate) async fn list_attachments(
        &self,
        request: Request<pb::ListAttachmentsRequest>,
    ) -> Answer<pb::ListAttachmentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let entity = Entity::try_from(&request)?;
        let query = format!("ListAttachments {} {entity:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;
        let mut rows = self.page(&caller, entity, page.after, page.size).await?;
        let position = |row: &Attachment| AfterTime { at: row.created_at, id: row.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut rows, position)?;
        let attachments = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListAttachmentsResponse { attachments, next_page_token }))
    }

    pub(crate) async fn delete_attachment(
        &self,
        request: Request<pb::DeleteAttachmentRequest>,
    ) -> Answer<pb::DeleteAttachmentResponse> {
        let caller = Caller::of(&request)?;
        let id = attachment_id(&request.into_inner().attachment_id)?;
        let Entered { tx, access, .. } = self
            .entrance
            .enter(&caller, Place::attachment(id), AttachmentDelete, |_| async { Ok(()) }.boxed())
            .await?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteAttachmentResponse {}))
    }
}
