//! The projects that targets belong to.

use proto::content::backend::v1::ResolveDocumentRequest;
use proto::task::backend::v1::ResolveTaskRequest;
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::{Code, Status};
use uuid::Uuid;

use super::{Target, TargetType};

/// The project of a target, whoever asks.
///
/// # Errors
/// `NOT_FOUND` for a target that does not exist; `UNAVAILABLE` when the service that knows it does not answer.
pub(super) async fn project_of(context: &ServiceContext, target: Target) -> Result<Uuid> {
    let id = target.id.to_string();
    let found = match target.target_type {
        TargetType::Project => return Ok(target.id),
        TargetType::Task => {
            let found = context.siblings.task_lookup().resolve_task(ResolveTaskRequest { task_id: id }).await;
            found.map(|task| task.into_inner().project_id).map_err(refusal(target, "task"))
        }
        TargetType::Document => {
            let request = ResolveDocumentRequest { document_id: id };
            let found = context.siblings.document_lookup().resolve_document(request).await;
            found.map(|document| document.into_inner().project_id).map_err(refusal(target, "content"))
        }
    };
    found?.parse().map_err(Error::internal)
}

fn refusal(target: Target, service: &'static str) -> impl Fn(Status) -> Error {
    move |status| match status.code() {
        Code::NotFound => Error::not_found(target.target_type.as_str(), target.id),
        _ => from_sibling(service)(status),
    }
}
