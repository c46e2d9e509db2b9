//! The RPCs of members.

use proto::project::v1 as pb;
use shared::access::{ConsistencyToken, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::page::AfterTime;
use shared::user_lookup::known_users;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::{AddMemberInput, ListMembersInput, MemberId, UpdateMemberInput};
use crate::handler::ProjectHandler;
use crate::projects::queries::{access, lock_revision};
use crate::projects::wire::project_id;
use crate::schema::NAME;

/// Writes answer with the member, so they need the permission to read it as well.
fn require_manage_and_read(access: &ProjectAccess) -> Result<()> {
    access.require(Permission::MemberManage)?.require(Permission::MemberRead)?;
    Ok(())
}

impl ProjectHandler {
    pub(crate) async fn add_member(
        &self,
        request: Request<pb::AddMemberRequest>,
    ) -> Result<Response<pb::Member>, Status> {
        let caller = Caller::of(&request)?;
        let granter_id = caller.user()?.user_id;
        let AddMemberInput { key, member } = request.into_inner().try_into()?;
        // Before the transaction: no connection and no lock waits for a sibling.
        let known = known_users(&self.context.siblings, &[member.user_id], true).await?;
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, present, revision, access) = futures::try_join!(
            idempotency::claim(&tx, NAME, granter_id, "AddMember", key.as_ref(), member.id),
            queries::lock(&tx, member.project_id, granter_id, member.user_id),
            lock_revision(&tx, member.project_id),
            access(&tx, member.project_id, granter_id),
        )?;
        require_manage_and_read(&access)?;
        if let Some(id) = earlier {
            let member = queries::find_by_id(&tx, id).await?;
            let member = member.ok_or_else(|| Error::not_found("member", id))?;
            return Ok(revision.current().answer(member.into()));
        }
        member.authorize(&access)?;
        if !known.contains(&member.user_id) {
            return Err(Error::not_found("user", member.user_id).into());
        }
        if present.is_some() {
            return Err(Error::AlreadyExists { field: "user_id" }.into());
        }
        let member = queries::insert(tx, &access, &member).await?;
        self.context.signal.announce();
        Ok(revision.next().answer(member.into()))
    }

    pub(crate) async fn get_member(
        &self,
        request: Request<pb::GetMemberRequest>,
    ) -> Result<Response<pb::Member>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let MemberId { project_id, user_id } = MemberId::of(&request.project_id, &request.user_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, member) = futures::try_join!(
            access(&tx, project_id, caller.database_user()),
            queries::find(&tx, project_id, user_id),
        )?;
        tx.finish();
        access.require(Permission::MemberRead)?;
        let member = member.ok_or_else(|| queries::not_found(user_id))?;
        Ok(Response::new(member.into()))
    }

    pub(crate) async fn list_members(
        &self,
        request: Request<pb::ListMembersRequest>,
    ) -> Result<Response<pb::ListMembersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListMembersInput { project_id, roles, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("members of {project_id} that {user_id} sees: {roles:?}");
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, mut members) = futures::try_join!(
            access(&tx, project_id, user_id),
            queries::list(&tx, project_id, &roles, &page),
        )?;
        tx.finish();
        access.require(Permission::MemberRead)?;
        let next_page_token = self
            .context
            .pages
            .cut(&query, page.size, &mut members, |last| AfterTime { at: last.joined_at, id: last.id })?;
        let members = members.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListMembersResponse { members, next_page_token }))
    }

    pub(crate) async fn update_member(
        &self,
        request: Request<pb::UpdateMemberRequest>,
    ) -> Result<Response<pb::Member>, Status> {
        let caller = Caller::of(&request)?;
        let granter_id = caller.user()?.user_id;
        let UpdateMemberInput { id: MemberId { project_id, user_id }, etag, update } =
            request.into_inner().try_into()?;
        let tx = self.context.database.begin(&caller).await?;
        let (member, revision, access) = futures::try_join!(
            queries::lock(&tx, project_id, granter_id, user_id),
            lock_revision(&tx, project_id),
            access(&tx, project_id, granter_id),
        )?;
        require_manage_and_read(&access)?;
        let member = member.ok_or_else(|| queries::not_found(user_id))?;
        etag::check(&etag, member.version)?;
        let Some(update) = update else {
            tx.finish();
            return Ok(revision.current().answer(member.into()));
        };
        member.require_not_owner()?;
        member.authorize_change(&access)?;
        let change = member.apply(update, &access)?;
        let member = queries::update(tx, &access, &member, &change).await?;
        self.context.signal.announce();
        Ok(revision.next().answer(member.into()))
    }

    pub(crate) async fn remove_member(
        &self,
        request: Request<pb::RemoveMemberRequest>,
    ) -> Result<Response<pb::RemoveMemberResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let member = MemberId::of(&request.project_id, &request.user_id)?;
        let token = self.delete_member(&caller, member, &request.etag).await?;
        Ok(token.answer(pb::RemoveMemberResponse {}))
    }

    pub(crate) async fn leave_project(
        &self,
        request: Request<pb::LeaveProjectRequest>,
    ) -> Result<Response<pb::LeaveProjectResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let project_id = project_id(&request.get_ref().project_id)?;
        let token = self.delete_member(&caller, MemberId { project_id, user_id }, "").await?;
        Ok(token.answer(pb::LeaveProjectResponse {}))
    }

    /// Deletes a membership: the caller's own, or another one that the caller may manage.
    async fn delete_member(&self, caller: &Caller, member: MemberId, etag: &str) -> Result<ConsistencyToken> {
        let MemberId { project_id, user_id } = member;
        let caller_id = caller.user()?.user_id;
        let tx = self.context.database.begin(caller).await?;
        let (member, revision, access) = futures::try_join!(
            queries::lock(&tx, project_id, caller_id, user_id),
            lock_revision(&tx, project_id),
            access(&tx, project_id, caller_id),
        )?;
        // Leaving needs no permission.
        let is_caller = user_id == caller_id;
        if !is_caller {
            access.require(Permission::MemberManage)?;
        }
        let member = member.ok_or_else(|| queries::not_found(user_id))?;
        member.require_not_owner()?;
        if !is_caller {
            member.authorize_change(&access)?;
        }
        etag::check(etag, member.version)?;
        queries::delete(tx, &access, &member).await?;
        self.context.signal.announce();
        Ok(revision.next())
    }
}
