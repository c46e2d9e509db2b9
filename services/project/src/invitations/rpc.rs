//! The RPCs of `InvitationService`.

use proto::project::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::etag;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::inviting::Inviting;
use super::token::{Claim, InvitationTokens};
use super::wire::{CreateInvitation, InvitationId, ListInvitations, ResendInvitation, claim};
use super::{Invitation, queries};
use crate::members::must_have_all;
use crate::projects::freshness::Freshness;
use crate::projects::queries as projects;

/// Serves `InvitationService`.
pub(crate) struct Invitations {
    pub inviting: Inviting,
    pub tokens: InvitationTokens,
}

/// Locks an invitation for one who may manage members and may do whatever it gives.
async fn lock(tx: &Transaction, id: InvitationId, user_id: Uuid) -> Result<(ProjectAccess, Invitation)> {
    let (invitation, access) =
        futures::try_join!(queries::lock(tx, id), projects::access(tx, id.project_id, user_id))?;
    access.require(Permission::MemberManage)?;
    let invitation = invitation.ok_or_else(|| queries::not_found(id.id))?;
    Ok((access, invitation))
}

/// The refusal of a token that is not (any more) one; it is not repeated.
fn no_such_token() -> Error {
    Error::not_found("invitation", "of this token")
}

impl Invitations {
    /// Locks what a token is of, for a user who sees nothing of it yet: so under the worker role, but in their name.
    async fn enter(&self, claim: &Claim, user_id: Uuid) -> Result<(Transaction, Invitation, Freshness)> {
        let tx = self.inviting.context.worker.begin_background().await?;
        tx.act_as(user_id)?;
        let (freshness, invitation, inviter) = futures::try_join!(
            queries::hold_freshness(&tx, claim.id),
            queries::lock_by_key(&tx, claim.id),
            queries::inviter(&tx, claim.id),
        )?;
        let (invitation, freshness) = invitation.zip(freshness).ok_or_else(no_such_token)?;
        if !self.tokens.confirm(claim, invitation.generation) {
            return Err(no_such_token());
        }
        if invitation.is_open_to(user_id, self.inviting.context.clock.now())? {
            invitation.must_be_backed_by(inviter.as_ref())?;
        }
        Ok((tx, invitation, freshness))
    }
}

impl Invitations {
    pub(crate) async fn create_invitation(
        &self,
        request: Request<pb::CreateInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let now = self.inviting.context.clock.now();
        let asked = CreateInvitation::of(request.into_inner(), caller.user()?.user_id, now)?;
        let invitation = self.inviting.invite(&asked, now).await?;
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn get_invitation(
        &self,
        request: Request<pb::GetInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let id = InvitationId::of(&request.get_ref().project_id, &request.get_ref().invitation_id)?;
        let tx = self.inviting.context.database.begin(&caller).await?;
        let (access, invitation) = futures::try_join!(
            projects::access(&tx, id.project_id, caller.database_user()),
            queries::find(&tx, id)
        )?;
        tx.finish();
        access.require(Permission::MemberManage)?;
        let invitation = invitation.ok_or_else(|| queries::not_found(id.id))?;
        Ok(Response::new(invitation.to_message(self.inviting.context.clock.now())))
    }

    pub(crate) async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListInvitations { project_id, statuses, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("invitations to {project_id} that {user_id} sees: {statuses:?}");
        let pages = &self.inviting.context.pages;
        let page = pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let now = self.inviting.context.clock.now();
        let tx = self.inviting.context.database.begin(&caller).await?;
        let (access, mut found) = futures::try_join!(
            projects::access(&tx, project_id, user_id),
            queries::list(&tx, project_id, &statuses, &page, now)
        )?;
        tx.finish();
        access.require(Permission::MemberManage)?;
        let position = |last: &Invitation| AfterTime { at: last.created_at, id: last.id };
        let next_page_token = pages.cut(&query, page.size, &mut found, position)?;
        let invitations = found.iter().map(|invitation| invitation.to_message(now)).collect();
        Ok(Response::new(pb::ListInvitationsResponse { invitations, next_page_token }))
    }

    pub(crate) async fn resend_invitation(
        &self,
        request: Request<pb::ResendInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let ResendInvitation { id, etag, lifetime } = request.into_inner().try_into()?;
        let now = self.inviting.context.clock.now();
        let tx = self.inviting.context.database.begin(&caller).await?;
        let (access, invitation) = lock(&tx, id, caller.user()?.user_id).await?;
        etag::check(&etag, invitation.version)?;
        // Sending gives as much as inviting does.
        must_have_all(&access, invitation.role, &invitation.permissions)?;
        invitation.may_be_sent_again(now)?;
        let invitation = queries::send_again(tx, &access, &invitation, now, now + lifetime).await?;
        self.inviting.announce();
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn revoke_invitation(
        &self,
        request: Request<pb::RevokeInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let pb::RevokeInvitationRequest { project_id, invitation_id, etag } = request.into_inner();
        let id = InvitationId::of(&project_id, &invitation_id)?;
        let now = self.inviting.context.clock.now();
        let tx = self.inviting.context.database.begin(&caller).await?;
        let (access, invitation) = lock(&tx, id, caller.user()?.user_id).await?;
        if !invitation.is_open_for_withdrawal(now)? {
            tx.finish();
            return Ok(Response::new(invitation.to_message(now)));
        }
        etag::check(&etag, invitation.version)?;
        let invitation = queries::withdraw(tx, &access, &invitation, now).await?;
        self.inviting.announce();
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let claim = claim(request.get_ref())?;
        let now = self.inviting.context.clock.now();
        let (tx, invitation, freshness) = self.enter(&claim, user_id).await?;
        if !invitation.is_open_to(user_id, now)? {
            tx.finish();
            return Ok(freshness.now().answer(invitation.to_message(now)));
        }
        let invitation = queries::accept(tx, &invitation, user_id, now).await?;
        self.inviting.announce();
        Ok(freshness.after_change().answer(invitation.to_message(now)))
    }
}
