//! The attachment service's methods.

use chrono::Utc;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use shared::access::Permission::{AttachmentDelete, AttachmentRead, AttachmentWrite};
use shared::caller::Caller;
use shared::error::{Error, Result, from_sibling};
use shared::idempotency::{self, RequestKey};
use shared::page::AfterTime;
use shared::proto::content::v1 as pb;
use shared::proto::content::v1::attachment_service_server::AttachmentService;
use shared::proto::task::internal::v1::ResolveTaskRequest;
use shared::service::Ground;
use tonic::{Code, Request, Response, Status, Streaming};
use uuid::Uuid;

use super::incoming::Incoming;
use super::storage::{Storage, StoredFile};
use super::wire::{Download, Upload, attachment_id};
use super::{Attachment, Description, Entity, EntityType, queries, safe_filename};
use crate::NAME;
use crate::entrance::{Entered, Entrance, Place};

type Answer<T> = Result<Response<T>, Status>;

/// The attachment service.
pub struct Attachments {
    ground: Ground,
    entrance: Entrance,
    storage: Storage,
}

/// The project of a task, as the task service tells.
///
/// # Errors
/// `NOT_FOUND`; `UNAVAILABLE` when it does not answer.
pub(crate) async fn resolve_task(ground: &Ground, id: Uuid) -> Result<Uuid> {
    let request = ResolveTaskRequest { task_id: id.to_string() };
    let task = match ground.siblings.task_directory().resolve_task(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::NotFound => return Err(Error::not_found("task", id)),
        Err(status) => return Err(from_sibling("task")(status)),
    };
    task.project_id.parse().map_err(Error::internal)
}

/// Where a new file goes.
///
/// # Errors
/// `NOT_FOUND` for a task that does not exist; `UNAVAILABLE` when the task service does not answer.
pub(crate) async fn place_of(ground: &Ground, entity: Entity) -> Result<Place> {
    Ok(match entity.kind {
        EntityType::Project => Place::project(entity.id),
        EntityType::Document => Place::document(entity.id),
        EntityType::Task => Place::task(entity.id, resolve_task(ground, entity.id).await?),
    })
}

impl Description {
    /// The row of a file whose bytes are stored.
    pub(crate) fn row(self, file: &StoredFile, project_id: Uuid, uploader_id: Uuid) -> Attachment {
        Attachment {
            id: self.id,
            entity_type: self.entity.kind,
            entity_id: self.entity.id,
            filename: safe_filename(&self.original_filename),
            original_filename: self.original_filename,
            file_size: file.size,
            mime_type: file.mime_type.clone(),
            storage_path: file.path.clone(),
            uploader_id,
            metadata: self.metadata,
            created_at: Utc::now(),
            project_id,
            sha256: file.sha256.clone(),
        }
    }
}

impl Attachments {
    /// On this ground.
    pub fn new(ground: Ground, entrance: Entrance, storage: Storage) -> Self {
        Self { ground, entrance, storage }
    }

    async fn upload(
        &self,
        caller: &Caller,
        mut incoming: Incoming<pb::UploadAttachmentRequest>,
    ) -> Result<Attachment> {
        let Upload { key, description } = incoming.header().await?.try_into()?;
        let (id, entity) = (description.id, description.entity);
        let place = place_of(&self.ground, entity).await?;
        // Nobody's bytes are read before it is known that they may be kept.
        let entered = self.enter_to_write(caller, place, entity, id, &key).await?;
        if let Some(earlier) = entered.found {
            return self.earlier(entered, earlier).await;
        }
        drop(entered);
        let mut file = self.storage.receive(id, &mut incoming, description.sha256.as_deref()).await?;
        // Uploads take long: what was true before is asked again, in the transaction of the row.
        let entered = self.enter_to_write(caller, place, entity, id, &key).await?;
        if let Some(earlier) = entered.found {
            return self.earlier(entered, earlier).await;
        }
        let Entered { tx, access, .. } = entered;
        let row = description.row(&file, access.project_id, access.user_id);
        file.record();
        let attachment = queries::insert(tx, &access, &row).await?;
        file.keep();
        self.ground.signal.announce();
        self.still_there(entity, id).await?;
        Ok(attachment)
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
        self.entrance
            .enter(caller, place, AttachmentWrite, |conn| {
                let key = key.clone();
                async move {
                    let keep = async {
                        match entity.kind {
                            EntityType::Document => crate::documents::queries::keep(conn, entity.id).await,
                            EntityType::Task | EntityType::Project => Ok(true),
                        }
                    };
                    let claim = idempotency::claim(conn, NAME, user_id, "UploadAttachment", key.as_ref(), id);
                    let (_, earlier) = futures::try_join!(keep, claim)?;
                    Ok(earlier)
                }
                .boxed()
            })
            .await
    }

    /// The answer to a retry.
    async fn earlier(&self, entered: Entered<Option<Uuid>>, id: Uuid) -> Result<Attachment> {
        let attachment = queries::get(&entered.tx, id).await?;
        attachment.ok_or_else(|| Error::not_found("attachment", id))
    }

    /// A task may have gone before the attachment came, and its deletion been taken over: then the attachment
    /// goes too. One that goes from now on takes it along.
    async fn still_there(&self, entity: Entity, id: Uuid) -> Result<()> {
        if entity.kind != EntityType::Task {
            return Ok(());
        }
        match resolve_task(&self.ground, entity.id).await {
            Err(gone @ Error::NotFound { .. }) => {
                tracing::debug!(attachment = %id, "its task went while the file was uploaded");
                let tx = self.ground.worker.begin_background().await?;
                queries::delete_of_tasks(&tx, &[entity.id]).await?;
                tx.commit().await?;
                self.ground.signal.announce();
                Err(gone)
            }
            // The feed of deleted tasks has the last word.
            _ => Ok(()),
        }
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

#[tonic::async_trait]
impl AttachmentService for Attachments {
    type DownloadAttachmentStream = BoxStream<'static, Result<pb::DownloadAttachmentResponse, Status>>;

    async fn upload_attachment(
        &self,
        request: Request<Streaming<pb::UploadAttachmentRequest>>,
    ) -> Answer<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let attachment = self.upload(&caller, Incoming::new(request.into_inner())).await?;
        Ok(Response::new(attachment.into()))
    }

    async fn download_attachment(
        &self,
        request: Request<pb::DownloadAttachmentRequest>,
    ) -> Answer<Self::DownloadAttachmentStream> {
        let caller = Caller::of(&request)?;
        let Download { id, offset, length } = request.into_inner().try_into()?;
        let attachment = self.find(&caller, id).await?;
        let size = u64::try_from(attachment.file_size).unwrap_or_default();
        if offset > size {
            return Err(Error::invalid("offset", format!("the file has {size} bytes")).into());
        }
        let end = length.map_or(size, |length| offset.saturating_add(length).min(size));
        let bytes = self.storage.read(id, offset..end).await?;
        let first =
            pb::DownloadAttachmentResponse { attachment: Some(attachment.into()), chunk: Default::default() };
        let rest = bytes.map(|chunk| {
            Ok(pb::DownloadAttachmentResponse { attachment: None, chunk: chunk.map_err(Status::from)? })
        });
        Ok(Response::new(stream::once(async { Ok(first) }).chain(rest).boxed()))
    }

    async fn get_attachment(&self, request: Request<pb::GetAttachmentRequest>) -> Answer<pb::Attachment> {
        let caller = Caller::of(&request)?;
        let id = attachment_id(&request.into_inner().attachment_id)?;
        Ok(Response::new(self.find(&caller, id).await?.into()))
    }

    async fn list_attachments(
        &self,
        request: Request<pb::ListAttachmentsRequest>,
    ) -> Answer<pb::ListAttachmentsResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let entity = Entity::try_from(&request)?;
        let query = format!("ListAttachments {} {entity:?}", caller.database_user());
        let page = self.ground.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;
        let mut rows = self.page(&caller, entity, page.after, page.size).await?;
        let position = |row: &Attachment| AfterTime { at: row.created_at, id: row.id };
        let next_page_token = self.ground.pages.cut(&query, page.size, &mut rows, position)?;
        let attachments = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListAttachmentsResponse { attachments, next_page_token }))
    }

    async fn delete_attachment(
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
        self.ground.signal.announce();
        Ok(Response::new(pb::DeleteAttachmentResponse {}))
    }
}
