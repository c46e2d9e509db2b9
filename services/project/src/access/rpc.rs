//! The RPCs of access states, answered by the worker role.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use proto::project::backend::v1 as pb;
use shared::change_log::{self, Cursor};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::feed::{AccessFeed, Message};
use super::{AccessState, MAX_STATES, count_fitting, queries, wire};
use crate::handler::ProjectHandler;
use crate::schema::NAME;

/// Messages buffered for a slow follower.
const CHANNEL_CAPACITY: usize = 4;

impl ProjectHandler {
    pub(crate) async fn get_project_access(
        &self,
        request: Request<pb::GetProjectAccessRequest>,
    ) -> Result<Response<pb::ProjectAccess>, Status> {
        let (id, known_revision) = wire::known_state(request.get_ref())?;
        let tx = self.context.worker.begin_background().await?;
        let state = queries::newer_state(&tx, id, known_revision).await?;
        tx.finish();
        Ok(Response::new(state.unwrap_or_else(|| AccessState::unknown(id)).into()))
    }

    pub(crate) async fn list_project_access(
        &self,
        request: Request<pb::ListProjectAccessRequest>,
    ) -> Result<Response<pb::ListProjectAccessResponse>, Status> {
        let after = wire::after(&request.get_ref().after_project_id)?;
        let tx = self.context.worker.begin_background().await?;
        // First: what changes from here on is found by watching, if the page misses it.
        let cursor = change_log::head(&tx, NAME).await?;
        let mut states = queries::page(&tx, after).await?;
        tx.finish();
        let read = states.len();
        states.truncate(count_fitting(&states));
        Ok(Response::new(pb::ListProjectAccessResponse {
            last: read < MAX_STATES && states.len() == read,
            projects: states.into_iter().map(Into::into).collect(),
            cursor: cursor.to_string(),
        }))
    }

    pub(crate) async fn watch_project_access(
        &self,
        request: Request<pb::WatchProjectAccessRequest>,
    ) -> Result<Response<BoxStream<'static, Message>>, Status> {
        let cursor: Cursor = request.get_ref().cursor.parse()?;
        let feed = AccessFeed::open(self.context.clone(), cursor).await?;
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        self.context.spawn(feed.run(sender));
        Ok(Response::new(ReceiverStream::new(receiver).boxed()))
    }
}
