//! The project access that targets need, and their existence.

use diesel_async::AsyncPgConnection;
use proto::task::backend::v1::ResolveTaskRequest;
use shared::access::AccessTarget;
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::Code;
use uuid::Uuid;

use super::{ContentTarget, EntityType, queries};
use crate::{access_target, documents};

/// Asks the task service for the project of a task.
pub(crate) async fn resolve_task(context: &ServiceContext, id: Uuid) -> Result<Uuid> {
    let request = ResolveTaskRequest { task_id: id.to_string() };
    let task = match context.siblings.task_lookup().resolve_task(request).await {
        Ok(response) => response.into_inner(),
        Err(status) if status.code() == Code::NotFound => return Err(Error::not_found("task", id)),
        Err(status) => return Err(from_sibling("task")(status)),
    };
    task.project_id.parse().map_err(Error::internal)
}

/// The project access that calls about the target need.
///
/// # Errors
/// `NOT_FOUND` for a task that does not exist; `UNAVAILABLE` when the task service does not answer.
pub(crate) async fn access_target_of(
    context: &ServiceContext,
    target: ContentTarget,
) -> Result<AccessTarget> {
    Ok(match target.entity_type {
        EntityType::Project => AccessTarget::project(target.id),
        EntityType::Document => access_target::document(target.id),
        EntityType::Task => {
            AccessTarget::in_project("task", target.id, resolve_task(context, target.id).await?)
        }
    })
}

/// Prevents the deletion of a document until the transaction ends; `false` if it does not exist. Tasks and projects
/// are in other services.
pub(crate) async fn lock_target(conn: &AsyncPgConnection, target: ContentTarget) -> Result<bool> {
    match target.entity_type {
        EntityType::Document => documents::queries::lock_for_reference(conn, target.id).await,
        EntityType::Task | EntityType::Project => Ok(true),
    }
}

/// Checks the task of a new attachment or comment again: if it was deleted, and the deletion applied here, before the
/// insert, nothing else would delete what was inserted. A later deletion includes it.
///
/// # Errors
/// `NOT_FOUND` (the task).
pub(crate) async fn confirm_task_exists(context: &ServiceContext, target: ContentTarget) -> Result<()> {
    if target.entity_type != EntityType::Task {
        return Ok(());
    }
    match resolve_task(context, target.id).await {
        Err(not_found @ Error::NotFound { .. }) => {
            tracing::debug!(task = %target.id, "the task was deleted during the call");
            let tx = context.worker.begin_background().await?;
            queries::delete_of_tasks(&tx, &[target.id]).await?;
            tx.commit().await?;
            context.signal.announce();
            Err(not_found)
        }
        // If the task service is unavailable, the feed of deleted tasks decides.
        _ => Ok(()),
    }
}
