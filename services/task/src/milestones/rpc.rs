//! The RPCs of milestones.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::{AccessTarget, AuthorizedTransaction, CreateClaim, Permission};
use shared::caller::Caller;
use shared::etag;
use shared::idempotency::Creation;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};

use super::wire::{CreateMilestoneInput, ListMilestonesInput, UpdateMilestoneInput};
use super::{Milestone, queries};
use crate::access_target;
use crate::handler::TaskHandler;
use crate::tasks::queries::require_write_and_read;
use crate::tasks::wire::required_id;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn create_milestone(
        &self,
        request: Request<pb::CreateMilestoneRequest>,
    ) -> Answer<pb::Milestone> {
        let caller = Caller::of(&request)?;
        let CreateMilestoneInput { key, milestone } = request.into_inner().try_into()?;
        let target = AccessTarget::project(milestone.project_id);
        let creation = Creation {
            caller_id: caller.user()?.user_id,
            method: "CreateMilestone",
            key: key.as_ref(),
            resource_id: milestone.id,
        };
        let claim = self.authorizer.claim_or_replay(
            &caller,
            &target,
            Permission::TaskWrite,
            creation,
            |_conn| async { Ok(()) }.boxed(),
            |conn, id| queries::get(conn, id).boxed(),
        );
        let AuthorizedTransaction { tx, access, .. } = match claim.await? {
            CreateClaim::Replayed(milestone) => return Ok(Response::new(milestone.into())),
            CreateClaim::New(transaction) => transaction,
        };
        require_write_and_read(&access)?;
        let milestone = queries::insert(tx, &access, milestone).await?;
        self.context.signal.announce();
        Ok(Response::new(milestone.into()))
    }

    pub(crate) async fn get_milestone(
        &self,
        request: Request<pb::GetMilestoneRequest>,
    ) -> Answer<pb::Milestone> {
        let caller = Caller::of(&request)?;
        let id = required_id("milestone_id", &request.get_ref().milestone_id)?;
        let target = access_target::milestone(id);
        let read = self
            .authorizer
            .begin(&caller, &target, Permission::TaskRead, |conn| queries::get(conn, id).boxed());
        Ok(Response::new(read.await?.finish().into()))
    }

    pub(crate) async fn list_milestones(
        &self,
        request: Request<pb::ListMilestonesRequest>,
    ) -> Answer<pb::ListMilestonesResponse> {
        let caller = Caller::of(&request)?;
        let ListMilestonesInput { project_id, page_size, page_token } = request.into_inner().try_into()?;
        let query = format!("ListMilestones {} {project_id}", caller.database_user());
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let target = AccessTarget::project(project_id);
        let page_ref = &page;
        let read = self.authorizer.begin(&caller, &target, Permission::TaskRead, |conn| {
            let (after, size) = (page_ref.after, page_ref.size);
            queries::list(conn, project_id, after, size).boxed()
        });
        let mut rows = read.await?.finish();
        let position = |milestone: &Milestone| AfterTime { at: milestone.created_at, id: milestone.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut rows, position)?;
        let milestones = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListMilestonesResponse { milestones, next_page_token }))
    }

    pub(crate) async fn update_milestone(
        &self,
        request: Request<pb::UpdateMilestoneRequest>,
    ) -> Answer<pb::Milestone> {
        let caller = Caller::of(&request)?;
        let UpdateMilestoneInput { id, etag, change } = request.into_inner().try_into()?;
        let target = access_target::milestone(id);
        let locked = self
            .authorizer
            .begin(&caller, &target, Permission::TaskWrite, |conn| queries::lock(conn, id).boxed());
        let AuthorizedTransaction { tx, access, found } = locked.await?;
        require_write_and_read(&access)?;
        let milestone = found.ok_or_else(|| target.not_found())?;
        etag::check(&etag, milestone.version)?;
        let Some(change) = change else {
            tx.finish();
            return Ok(Response::new(milestone.into()));
        };
        let milestone = queries::update(tx, &access, id, change).await?;
        self.context.signal.announce();
        Ok(Response::new(milestone.into()))
    }

    pub(crate) async fn delete_milestone(
        &self,
        request: Request<pb::DeleteMilestoneRequest>,
    ) -> Answer<pb::DeleteMilestoneResponse> {
        let caller = Caller::of(&request)?;
        let id = required_id("milestone_id", &request.get_ref().milestone_id)?;
        let target = access_target::milestone(id);
        let locked = self.authorizer.begin(&caller, &target, Permission::TaskDelete, |conn| {
            queries::lock_with_tasks(conn, id).boxed()
        });
        let AuthorizedTransaction { tx, access, found } = locked.await?;
        let milestone = found.ok_or_else(|| target.not_found())?;
        etag::check(&request.get_ref().etag, milestone.version)?;
        queries::delete(tx, &access, id).await?;
        self.context.signal.announce();
        Ok(Response::new(pb::DeleteMilestoneResponse {}))
    }
}
