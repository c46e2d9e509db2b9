//! The upload service's methods.

use std::time::Duration;

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::AttachmentWrite;
use shared::caller::Caller;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::incoming::Incoming;
use super::upload_session::{Intake, to_the_end};
use super::wire::{Chunks, CompleteUpload, CreateUpload, upload_id};
use super::{MAX_OPEN_UPLOADS, Upload, UploadState, queries, too_large};
use crate::NAME;
use crate::attachments::places::{keep, place_of, still_there};
use crate::attachments::{self, Attachment, EntityType};
use crate::entrance::{Entered, Entrance, Place};

type Answer<T> = Result<Response<T>, Status>;

/// When to try again who has too many open uploads: some may have expired by then.
const TOO_MANY_RETRY: Duration = Duration::from_secs(60);

/// The upload service.
#[derive(Clone)]
pub struct Uploads {
    context: ServiceContext,
    entrance: Entrance,
    intake: Intake,
}

impl Uploads {
    pub fn new(context: ServiceContext, entrance: Entrance, intake: Intake) -> Self {
        Self { context, entrance, intake }
    }

    async fn create(&self, caller: &Caller, wish: CreateUpload) -> Result<Upload> {
        let CreateUpload { key, description, size } = wish;
        if size.unsigned_abs() > self.intake.max_bytes() {
            return Err(too_large(self.intake.max_bytes()));
        }
        let (user_id, entity) = (caller.user()?.user_id, description.entity);
        let place = place_of(&self.context, entity).await?;
        let mut upload = self.intake.plan(description, Some(size), Uuid::nil(), user_id);
        let (id, now) = (upload.id, upload.created_at);
        let entered = self.entrance.enter(caller, place, AttachmentWrite, |conn| {
            let key = key.clone();
            async move {
                let claim = idempotency::claim(conn, NAME, user_id, "CreateUpload", key.as_ref(), id);
                let open = queries::count_open(conn, user_id, now);
                let (_, open, earlier) = futures::try_join!(keep(conn, entity), open, claim)?;
                Ok((open, earlier))
            }
            .boxed()
        });
        let Entered { tx, access, found: (open, earlier) } = entered.await?;
        if let Some(earlier) = earlier {
            return queries::get(&tx, earlier).await?.ok_or_else(|| Error::not_found("upload", earlier));
        }
        if open >= MAX_OPEN_UPLOADS {
            return Err(Error::Exhausted {
                reason: ErrorReason::TooManyUploads,
                message: "too many uploads are open; complete or cancel some",
                retry_after: TOO_MANY_RETRY,
            });
        }
        upload.project_id = access.project_id;
        queries::insert(tx, &upload).await
    }

    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Entered<Upload>> {
        let place = Place::upload(id);
        let entered = self
            .entrance
            .enter(caller, place, AttachmentWrite, |conn| queries::get(conn, id).boxed())
            .await?;
        let Entered { tx, access, found } = entered;
        Ok(Entered { tx, access, found: found.ok_or_else(|| place.not_found())? })
    }

    async fn store(
        &self,
        caller: &Caller,
        mut incoming: Incoming<pb::UploadChunksRequest>,
    ) -> Result<Upload> {
        let Chunks { upload_id, offset } = incoming.header().await?.try_into()?;
        let upload = self.find(caller, upload_id).await?.finish();
        self.intake.store(&self.context.database, upload, offset, &mut incoming).await
    }

    async fn complete(&self, caller: &Caller, wish: CompleteUpload) -> Result<Attachment> {
        let CompleteUpload { upload_id: id, sha256 } = wish;
        let place = Place::upload(id);
        let entered = self.entrance.enter(caller, place, AttachmentWrite, |conn| {
            async move { futures::try_join!(queries::get(conn, id), queries::keep_entity(conn, id)) }.boxed()
        });
        let Entered { tx, found: (upload, has_document), .. } = entered.await?;
        let upload = upload.ok_or_else(|| place.not_found())?;
        if upload.state == UploadState::Completed {
            let attachment = attachments::queries::get(&tx, upload.attachment_id).await?;
            return attachment.ok_or_else(|| Error::not_found("attachment", upload.attachment_id));
        }
        upload.require_open(self.context.clock.now())?;
        if upload.entity_type == EntityType::Document && !has_document {
            return Err(Error::not_found("document", upload.entity_id));
        }
        let hash = self.intake.checked(&upload, sha256.as_deref())?;
        match self.intake.complete(tx, &upload, &hash, None).await? {
            Some(attachment) => {
                self.context.signal.announce();
                still_there(&self.context, attachment).await
            }
            None => self.completed_meanwhile(caller, id).await,
        }
    }

    /// What another call has made of the upload since it was read.
    async fn completed_meanwhile(&self, caller: &Caller, id: Uuid) -> Result<Attachment> {
        let Entered { tx, found: upload, .. } = self.find(caller, id).await?;
        if upload.state != UploadState::Completed {
            upload.require_open(self.context.clock.now())?;
            return Err(upload.offset_mismatch());
        }
        let attachment = attachments::queries::get(&tx, upload.attachment_id).await?;
        attachment.ok_or_else(|| Error::not_found("attachment", upload.attachment_id))
    }

    async fn cancel(&self, caller: &Caller, id: Uuid) -> Result<Upload> {
        let Entered { tx, found: upload, .. } = self.find(caller, id).await?;
        if matches!(upload.state_at(self.context.clock.now()), UploadState::Cancelled | UploadState::Expired)
        {
            return Ok(upload);
        }
        upload.require_open(self.context.clock.now())?;
        queries::cancel(tx, id, self.context.clock.now()).await?;
        self.context.signal.announce();
        // Another call may have been quicker; this says how it ended.
        let ended = self.find(caller, id).await?.finish();
        if ended.state == UploadState::Completed {
            ended.require_open(self.context.clock.now())?
        }
        Ok(ended)
    }

    fn answer(&self, upload: Upload) -> Answer<pb::Upload> {
        Ok(Response::new(upload.into_wire(self.context.clock.now())))
    }
}

impl Uploads {
    pub(crate) async fn create_upload(
        &self,
        request: Request<pb::CreateUploadRequest>,
    ) -> Answer<pb::Upload> {
        let caller = Caller::of(&request)?;
        let wish = request.into_inner().try_into()?;
        self.answer(self.create(&caller, wish).await?)
    }

    pub(crate) async fn upload_chunks(
        &self,
        request: Request<Streaming<pb::UploadChunksRequest>>,
    ) -> Answer<pb::Upload> {
        let caller = Caller::of(&request)?;
        let (service, incoming) = (self.clone(), Incoming::new(request.into_inner()));
        let stored = to_the_end(&self.context, async move { service.store(&caller, incoming).await });
        self.answer(stored.await?)
    }

    pub(crate) async fn get_upload(&self, request: Request<pb::GetUploadRequest>) -> Answer<pb::Upload> {
        let caller = Caller::of(&request)?;
        let id = upload_id(&request.into_inner().upload_id)?;
        self.answer(self.find(&caller, id).await?.finish())
    }

    pub(crate) async fn complete_upload(
        &self,
        request: Request<pb::CompleteUploadRequest>,
    ) -> Answer<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let wish = request.into_inner().try_into()?;
        Ok(Response::new(self.complete(&caller, wish).await?.into()))
    }

    pub(crate) async fn cancel_upload(
        &self,
        request: Request<pb::CancelUploadRequest>,
    ) -> Answer<pb::Upload> {
        let caller = Caller::of(&request)?;
        let id = upload_id(&request.into_inner().upload_id)?;
        self.answer(self.cancel(&caller, id).await?)
    }
}
