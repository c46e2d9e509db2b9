//! The RPCs of the task lookup, for sibling services.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::task::backend::v1 as pb;
use tonic::{Request, Response, Status};

use super::deletions::{self, Deletions};
use crate::access_target;
use crate::handler::TaskHandler;
use crate::tasks::wire::required_id;

impl TaskHandler {
    pub(crate) async fn resolve_task(
        &self,
        request: Request<pb::ResolveTaskRequest>,
    ) -> Result<Response<pb::ResolvedTask>, Status> {
        let id = required_id("task_id", &request.get_ref().task_id)?;
        let target = access_target::task(id);
        let project = self.authorizer.projects_of(std::slice::from_ref(&target)).await?.into_iter().next();
        let project_id = project.ok_or_else(|| target.not_found())?.to_string();
        Ok(Response::new(pb::ResolvedTask { task_id: id.to_string(), project_id }))
    }

    pub(crate) async fn watch_deleted_tasks(
        &self,
        request: Request<pb::WatchDeletedTasksRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::WatchDeletedTasksResponse, Status>>>, Status> {
        let cursor = request.into_inner().cursor;
        let after = if cursor.is_empty() { None } else { Some(cursor.parse()?) };
        let deletions = deletions::watch(self.context.clone(), after).await?;
        let answers = deletions.map(|deletions| Ok(deletions?.into()));
        Ok(Response::new(answers.boxed()))
    }
}

impl From<Deletions> for pb::WatchDeletedTasksResponse {
    fn from(deletions: Deletions) -> Self {
        Self {
            task_ids: deletions.ids.iter().map(ToString::to_string).collect(),
            cursor: deletions.cursor.to_string(),
            caught_up: deletions.caught_up,
        }
    }
}
