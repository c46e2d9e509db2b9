//! The RPCs of invitations.

use proto::project::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::etag;
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::issuer::InvitationIssuer;
use super::token::{InvitationTokens, TokenClaim};
use super::wire::{CreateInvitationInput, InvitationId, ListInvitationsInput, ResendInvitationInput, claim};
use super::{Invitation, queries};
use crate::members::require_permissions_of;
use crate::projects::access_revision::LockedRevision;
use crate::projects::queries as projects;

pub(crate) struct InvitationHandler {
    pub issuer: InvitationIssuer,
    pub tokens: InvitationTokens,
}

/// Locks an invitation and requires `MEMBER_MANAGE`.
async fn lock(tx: &Transaction, id: InvitationId, user_id: Uuid) -> Result<(ProjectAccess, Invitation)> {
    let (invitation, access) =
        futures::try_join!(queries::lock(tx, id), projects::access(tx, id.project_id, user_id))?;
    access.require(Permission::MemberManage)?;
    let invitation = invitation.ok_or_else(|| queries::not_found(id.id))?;
    Ok((access, invitation))
}

/// Does not repeat the token.
fn token_not_found() -> Error {
    Error::not_found("invitation", "of this token")
}

impl InvitationHandler {
    /// Locks the invitation of a token. The user cannot read it yet, so the worker role reads it, and changes are
    /// recorded in the user's name.
    async fn lock_by_token(
        &self,
        claim: &TokenClaim,
        user_id: Uuid,
    ) -> Result<(Transaction, Invitation, LockedRevision)> {
        let tx = self.issuer.context.worker.begin_background().await?;
        tx.act_as(user_id)?;
        let (revision, invitation, inviter) = futures::try_join!(
            queries::lock_revision(&tx, claim.id),
            queries::lock_by_id(&tx, claim.id),
            queries::inviter(&tx, claim.id),
        )?;
        let (invitation, revision) = invitation.zip(revision).ok_or_else(token_not_found)?;
        if !self.tokens.verify(claim, invitation.generation) {
            return Err(token_not_found());
        }
        if invitation.needs_acceptance_by(user_id, self.issuer.context.clock.now())? {
            invitation.require_backing_of(inviter.as_ref())?;
        }
        Ok((tx, invitation, revision))
    }
}

impl InvitationHandler {
    pub(crate) async fn create_invitation(
        &self,
        request: Request<pb::CreateInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let now = self.issuer.context.clock.now();
        let input = CreateInvitationInput::of(request.into_inner(), caller.user()?.user_id, now)?;
        let invitation = self.issuer.issue(&input, now).await?;
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn get_invitation(
        &self,
        request: Request<pb::GetInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let id = InvitationId::of(&request.get_ref().project_id, &request.get_ref().invitation_id)?;
        let tx = self.issuer.context.database.begin(&caller).await?;
        let (access, invitation) = futures::try_join!(
            projects::access(&tx, id.project_id, caller.database_user()),
            queries::find(&tx, id)
        )?;
        tx.finish();
        access.require(Permission::MemberManage)?;
        let invitation = invitation.ok_or_else(|| queries::not_found(id.id))?;
        Ok(Response::new(invitation.to_message(self.issuer.context.clock.now())))
    }

    pub(crate) async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListInvitationsInput { project_id, statuses, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("invitations to {project_id} that {user_id} sees: {statuses:?}");
        let pages = &self.issuer.context.pages;
        let page = pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let now = self.issuer.context.clock.now();
        let tx = self.issuer.context.database.begin(&caller).await?;
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
        let ResendInvitationInput { id, etag, lifetime } = request.into_inner().try_into()?;
        let now = self.issuer.context.clock.now();
        let tx = self.issuer.context.database.begin(&caller).await?;
        let (access, invitation) = lock(&tx, id, caller.user()?.user_id).await?;
        etag::check(&etag, invitation.version)?;
        // Sending gives as much as inviting does.
        require_permissions_of(&access, invitation.role, &invitation.permissions)?;
        invitation.check_resendable(now)?;
        let invitation = queries::resend(tx, &access, &invitation, now, now + lifetime).await?;
        self.issuer.announce();
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn revoke_invitation(
        &self,
        request: Request<pb::RevokeInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let pb::RevokeInvitationRequest { project_id, invitation_id, etag } = request.into_inner();
        let id = InvitationId::of(&project_id, &invitation_id)?;
        let now = self.issuer.context.clock.now();
        let tx = self.issuer.context.database.begin(&caller).await?;
        let (access, invitation) = lock(&tx, id, caller.user()?.user_id).await?;
        if !invitation.needs_withdrawal(now)? {
            tx.finish();
            return Ok(Response::new(invitation.to_message(now)));
        }
        etag::check(&etag, invitation.version)?;
        let invitation = queries::withdraw(tx, &access, &invitation, now).await?;
        self.issuer.announce();
        Ok(Response::new(invitation.to_message(now)))
    }

    pub(crate) async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let claim = claim(request.get_ref())?;
        let now = self.issuer.context.clock.now();
        let (tx, invitation, revision) = self.lock_by_token(&claim, user_id).await?;
        if !invitation.needs_acceptance_by(user_id, now)? {
            tx.finish();
            return Ok(revision.current().answer(invitation.to_message(now)));
        }
        let invitation = queries::accept(tx, &invitation, user_id, now).await?;
        self.issuer.announce();
        Ok(revision.next().answer(invitation.to_message(now)))
    }
}
