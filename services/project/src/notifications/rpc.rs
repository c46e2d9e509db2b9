//! The RPCs of notifications.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::project::v1 as pb;
use serde::{Deserialize, Serialize};
use shared::caller::Caller;
use tonic::{Request, Response, Status};

use super::wire::{ListNotificationsInput, read_position};
use super::{queries, watch};
use crate::handler::ProjectHandler;

/// The position in a list: before this notification.
#[derive(Serialize, Deserialize)]
struct BeforePosition(i64);

impl ProjectHandler {
    pub(crate) async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::ListNotificationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let ListNotificationsInput { filter, page_size, page_token } = request.into_inner().try_into()?;
        let query = format!("notifications of {user_id}: {filter:?}");
        let page = self.context.pages.read::<BeforePosition>(&query, page_size, &page_token)?;
        let before = page.after.map_or(i64::MAX, |BeforePosition(position)| position);
        let tx = self.context.database.begin(&caller).await?;
        let mut notifications = queries::list(&tx, user_id, &filter, before, page.size).await?;
        tx.finish();
        let next_page_token = self
            .context
            .pages
            .cut(&query, page.size, &mut notifications, |last| BeforePosition(last.position))?;
        let notifications = notifications.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListNotificationsResponse { notifications, next_page_token }))
    }

    pub(crate) async fn count_unread_notifications(
        &self,
        request: Request<pb::CountUnreadNotificationsRequest>,
    ) -> Result<Response<pb::CountUnreadNotificationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let tx = self.context.database.begin(&caller).await?;
        let count = queries::count_unread(&tx, user_id).await?;
        tx.finish();
        Ok(Response::new(pb::CountUnreadNotificationsResponse { count }))
    }

    pub(crate) async fn mark_notifications_read(
        &self,
        request: Request<pb::MarkNotificationsReadRequest>,
    ) -> Result<Response<pb::MarkNotificationsReadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let position = read_position(request.get_ref())?;
        let tx = self.context.database.begin(&caller).await?;
        let marked = queries::mark_read(tx, user_id, position).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::MarkNotificationsReadResponse { read_position: marked.read_position }))
    }

    pub(crate) async fn watch_inbox(
        &self,
        request: Request<pb::WatchInboxRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::WatchInboxResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let resume_token = request.into_inner().resume_token;
        let responses = watch::watch(&self.context, &self.inbox_tail, caller, &resume_token).await?;
        Ok(Response::new(responses.map_err(Status::from).boxed()))
    }
}
