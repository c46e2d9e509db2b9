//! What files are attached to: projects and documents here, tasks elsewhere.

use diesel_async::AsyncPgConnection;
use proto::task::backend::v1::ResolveTaskRequest;
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::Code;
use uuid::Uuid;

use super::{Attachment, Entity, EntityType, queries};
use crate::documents;
use crate::entrance::Place;

/// The project of a task, as the task service tells.
async fn resolve_task(context: &ServiceContext, id: Uuid) -> Result<Uuid> {
    let request = ResolveTaskRequest { task_id: id.to_string() };
    let task = match context.siblings.task_lookup().resolve_task(request).await {
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
pub(crate) async fn place_of(context: &ServiceContext, entity: Entity) -> Result<Place> {
    Ok(match entity.kind {
        EntityType::Project => Place::project(entity.id),
        EntityType::Document => Place::document(entity.id),
        EntityType::Task => Place::task(entity.id, resolve_task(context, entity.id).await?),
    })
}

/// Whether the entity is there, as far as this service can tell; a document is kept from going until the transaction
/// ends.
///
/// # Errors
/// Those of the database.
pub(crate) async fn keep(conn: &AsyncPgConnection, entity: Entity) -> Result<bool> {
    match entity.kind {
        EntityType::Document => documents::queries::keep(conn, entity.id).await,
        EntityType::Task | EntityType::Project => Ok(true),
    }
}

/// A task may have gone before its attachment came, and its deletion been taken over: then the attachment goes too.
/// One that goes from now on takes it along.
///
/// # Errors
/// `NOT_FOUND` (the task).
pub(crate) async fn still_there(context: &ServiceContext, attachment: Attachment) -> Result<Attachment> {
    if attachment.entity_type != EntityType::Task {
        return Ok(attachment);
    }
    match resolve_task(context, attachment.entity_id).await {
        Err(gone @ Error::NotFound { .. }) => {
            tracing::debug!(attachment = %attachment.id, "its task went while the file was uploaded");
            let tx = context.worker.begin_background().await?;
            queries::delete_of_tasks(&tx, &[attachment.entity_id]).await?;
            tx.commit().await?;
            context.signal.announce();
            Err(gone)
        }
        // The feed of deleted tasks has the last word.
        _ => Ok(attachment),
    }
}
