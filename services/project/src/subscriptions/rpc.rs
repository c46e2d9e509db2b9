//! The RPCs of subscriptions.

use proto::project::v1 as pb;
use shared::access::AccessTables;
use shared::caller::Caller;
use shared::error::Error;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};

use super::wire::{ListSubscriptionsInput, required_target};
use super::{queries, require_room, targets};
use crate::handler::ProjectHandler;

impl ProjectHandler {
    pub(crate) async fn subscribe(
        &self,
        request: Request<pb::SubscribeRequest>,
    ) -> Result<Response<pb::Subscription>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let target = required_target(request.into_inner().target)?;
        // Before the transaction: no connection waits for a sibling.
        let project_id = targets::project_of(&self.context, target).await?;
        let tx = self.context.database.begin(&caller).await?;
        let access_target = target.in_project(project_id);
        let (access, present, chosen) = futures::try_join!(
            access_target.access(AccessTables::Owned, &tx, user_id),
            queries::find(&tx, user_id, target),
            queries::count_chosen(&tx),
        )?;
        access.require(target.target_type.read_permission())?;
        if let Some(present) = present {
            tx.finish();
            return Ok(Response::new(present.into()));
        }
        require_room(chosen)?;
        let subscription = queries::insert(tx, &access, target).await?;
        Ok(Response::new(subscription.into()))
    }

    pub(crate) async fn unsubscribe(
        &self,
        request: Request<pb::UnsubscribeRequest>,
    ) -> Result<Response<pb::UnsubscribeResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let target = required_target(request.into_inner().target)?;
        let tx = self.context.database.begin(&caller).await?;
        queries::delete(tx, user_id, target).await?;
        Ok(Response::new(pb::UnsubscribeResponse {}))
    }

    pub(crate) async fn get_subscription(
        &self,
        request: Request<pb::GetSubscriptionRequest>,
    ) -> Result<Response<pb::Subscription>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let target = required_target(request.into_inner().target)?;
        let tx = self.context.database.begin(&caller).await?;
        let subscription = queries::find(&tx, user_id, target).await?;
        tx.finish();
        let subscription = subscription.ok_or_else(|| Error::not_found("subscription", target.id))?;
        Ok(Response::new(subscription.into()))
    }

    pub(crate) async fn list_subscriptions(
        &self,
        request: Request<pb::ListSubscriptionsRequest>,
    ) -> Result<Response<pb::ListSubscriptionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let ListSubscriptionsInput { project_id, page_size, page_token } = request.into_inner().try_into()?;
        let query = format!("subscriptions of {user_id} in {project_id:?}");
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let mut subscriptions = queries::list(&tx, user_id, project_id, &page).await?;
        tx.finish();
        let next_page_token = self.context.pages.cut(&query, page.size, &mut subscriptions, |last| {
            AfterTime { at: last.created_at, id: last.target.id }
        })?;
        let subscriptions = subscriptions.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListSubscriptionsResponse { subscriptions, next_page_token }))
    }
}
