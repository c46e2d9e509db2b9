//! The RPC of the stream of changes.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::project::v1 as pb;
use shared::caller::Caller;
use shared::error::Result;
use tonic::{Request, Response, Status};

use super::watch::ProjectWatch;
use crate::handler::ProjectHandler;
use crate::history::wire::WatchProjectInput;

impl ProjectHandler {
    pub(crate) async fn watch_project(
        &self,
        request: Request<pb::WatchProjectRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::WatchProjectResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let WatchProjectInput { project_id, filter, resume_token } = request.into_inner().try_into()?;
        let query = format!("WatchProject {} {project_id} {filter:?}", caller.database_user());
        let subject = ProjectWatch::new(self.context.clone(), caller, project_id, filter);
        let batches = self.context.feed.watch(project_id, query, &resume_token, subject).await?;
        let messages = batches.map(|batch| {
            batch.map(|batch| pb::WatchProjectResponse {
                events: batch.events,
                resume_token: batch.resume_token,
            })
        });
        Ok(Response::new(messages.boxed()))
    }
}
