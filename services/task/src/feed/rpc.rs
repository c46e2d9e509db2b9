//! `WatchTasks`.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::task::v1 as pb;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::watch::TaskWatch;
use super::wire::{WatchTasksInput, message};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn watch_tasks(
        &self,
        request: Request<pb::WatchTasksRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::WatchTasksResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let WatchTasksInput { project_id, filter, resume_token } = request.into_inner().try_into()?;
        let query = format!("WatchTasks {} {project_id} {filter:?}", caller.database_user());
        let subject =
            TaskWatch { handler: self.clone(), caller, project_id, filter, key: Default::default() };
        let batches = self.context.feed.watch(project_id, query, &resume_token, subject).await?;
        Ok(Response::new(batches.map_ok(message).boxed()))
    }
}
