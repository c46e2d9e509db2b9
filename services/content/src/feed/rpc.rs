//! The method of the feed.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::content::v1 as pb;
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::watch::DocumentWatch;
use super::wire::WatchDocumentsInput;
use crate::handler::ContentHandler;

impl ContentHandler {
    pub(crate) async fn watch_documents(
        &self,
        request: Request<pb::WatchDocumentsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::WatchDocumentsResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let WatchDocumentsInput { project_id, filter, resume_token } = request.into_inner().try_into()?;
        let query = format!("WatchDocuments {} {project_id} {filter:?}", caller.database_user());
        let subject = DocumentWatch { authorizer: self.authorizer.clone(), caller, project_id, filter };
        let batches = self.context.feed.watch(project_id, query, &resume_token, subject).await?;
        let responses = batches.map_ok(|batch| pb::WatchDocumentsResponse {
            events: batch.events,
            resume_token: batch.resume_token,
        });
        Ok(Response::new(responses.boxed()))
    }
}
