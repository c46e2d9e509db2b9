//! The RPCs of the feed.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::task::v1 as pb;
use proto::task::v1::task_feed_service_server::TaskFeedService;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::watch::TaskWatch;
use super::wire::{WatchTasks, message};
use crate::handlers::Handlers;

#[tonic::async_trait]
impl TaskFeedService for Handlers {
    type WatchTasksStream = BoxStream<'static, Result<pb::WatchTasksResponse, Status>>;

    async fn watch_tasks(
        &self,
        request: Request<pb::WatchTasksRequest>,
    ) -> Result<Response<Self::WatchTasksStream>, Status> {
        let caller = Caller::of(&request)?;
        let WatchTasks { project_id, filter, resume_token } = request.into_inner().try_into()?;
        let query = format!("WatchTasks {} {project_id} {filter:?}", caller.database_user());
        let subject = TaskWatch { handlers: self.clone(), caller, project_id, filter };
        let told = self.ground.feed.watch(project_id, query, &resume_token, subject).await?;
        Ok(Response::new(told.map_ok(message).boxed()))
    }
}
