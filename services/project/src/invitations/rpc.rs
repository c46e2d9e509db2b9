//! The RPCs of invitations.

use proto::project::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::page::AfterTime;
use shared::user_lookup::known_users;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::token::TokenClaim;
use super::wire::{
    CreateInvitationInput, InvitationId, ListInvitationsInput, ResendInvitationInput, token_claim,
};
use super::{Invitation, check_recipient, queries};
use crate::handler::ProjectHandler;
use crate::members::require_permissions_of;
use crate::projects::access_revision::LockedRevision;
use crate::projects::queries as projects;
use crate::schema::{NAME, OfferStatus};

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

impl ProjectHandler {
    /// Locks the invitation of a token. The user cannot read it yet, so the worker role reads it, and changes are
    /// recorded in the user's name.
    async fn lock_invitation(
        &self,
        claim: &TokenClaim,
        user_id: Option<Uuid>,
    ) -> Result<(Transaction, Invitation, LockedRevision)> {
        let tx = self.context.worker.begin_background().await?;
        if let Some(user_id) = user_id {
            tx.act_as(user_id)?;
        }
        let (revision, invitation) =
            futures::try_join!(queries::lock_revision(&tx, claim.id), queries::lock_by_id(&tx, claim.id))?;
        let (invitation, revision) = invitation.zip(revision).ok_or_else(token_not_found)?;
        if !self.invitation_tokens.verify(claim, invitation.generation) {
            return Err(token_not_found());
        }
        Ok((tx, invitation, revision))
    }

    /// Whether the inviter's account is active. Asked before the invitation is locked: no lock waits for a sibling.
    async fn is_inviter_active(&self, claim: &TokenClaim) -> Result<bool> {
        let tx = self.context.worker.begin_background().await?;
        let found = queries::inviter_and_generation(&tx, claim.id).await?;
        tx.finish();
        let is_valid = |(_, generation): &(Uuid, i32)| self.invitation_tokens.verify(claim, *generation);
        let (inviter_id, _) = found.filter(is_valid).ok_or_else(token_not_found)?;
        let active = known_users(&self.context.siblings, &[inviter_id], true).await?;
        Ok(active.contains(&inviter_id))
    }

    /// An invitation that the caller manages, after those that nobody backs any more were withdrawn.
    async fn find_invitation(&self, caller: &Caller, id: InvitationId) -> Result<Invitation> {
        let find = async || {
            let tx = self.context.database.begin(caller).await?;
            let (access, invitation) = futures::try_join!(
                projects::access(&tx, id.project_id, caller.database_user()),
                queries::find(&tx, id)
            )?;
            tx.finish();
            access.require(Permission::MemberManage)?;
            invitation.ok_or_else(|| queries::not_found(id.id))
        };
        let found = find().await?;
        let is_pending = found.status_at(self.context.clock.now()) == OfferStatus::Pending;
        if is_pending && self.withdraw_invalid_invitations(id.project_id).await? {
            return find().await;
        }
        Ok(found)
    }

    pub(crate) async fn create_invitation(
        &self,
        request: Request<pb::CreateInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let now = self.context.clock.now();
        let input = CreateInvitationInput::of(request.into_inner(), caller.user()?.user_id, now)?;
        let invitation = self.insert_invitation(&input, now).await?;
        Ok(Response::new(invitation.to_wire(now)))
    }

    pub(crate) async fn get_invitation(
        &self,
        request: Request<pb::GetInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let id = InvitationId::of(&request.get_ref().project_id, &request.get_ref().invitation_id)?;
        let invitation = self.find_invitation(&caller, id).await?;
        Ok(Response::new(invitation.to_wire(self.context.clock.now())))
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
        let pages = &self.context.pages;
        let page = pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let now = self.context.clock.now();
        let list = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, found) = futures::try_join!(
                projects::access(&tx, project_id, user_id),
                queries::list(&tx, project_id, &statuses, &page, now)
            )?;
            tx.finish();
            access.require(Permission::MemberManage)?;
            Ok::<_, Error>(found)
        };
        let mut found = list().await?;
        if self.withdraw_invalid_invitations(project_id).await? {
            found = list().await?;
        }
        let position = |last: &Invitation| AfterTime { at: last.created_at, id: last.id };
        let next_page_token = pages.cut(&query, page.size, &mut found, position)?;
        let invitations = found.iter().map(|invitation| invitation.to_wire(now)).collect();
        Ok(Response::new(pb::ListInvitationsResponse { invitations, next_page_token }))
    }

    pub(crate) async fn resend_invitation(
        &self,
        request: Request<pb::ResendInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let ResendInvitationInput { key, id, etag, lifetime } = request.into_inner().try_into()?;
        let user_id = caller.user()?.user_id;
        let now = self.context.clock.now();
        self.find_invitation(&caller, id).await?;
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, (access, invitation)) = futures::try_join!(
            idempotency::claim(&tx, NAME, user_id, "ResendInvitation", key.as_ref(), id.id),
            lock(&tx, id, user_id),
        )?;
        if earlier.is_some() {
            tx.finish();
            return Ok(Response::new(invitation.to_wire(now)));
        }
        etag::check(&etag, invitation.version)?;
        // Resending grants as much as inviting does.
        require_permissions_of(&access, invitation.role, &invitation.permissions)?;
        invitation.check_resendable(now)?;
        check_recipient(queries::count_emails(&tx, &invitation.email, now).await?)?;
        let invitation = queries::resend(tx, &access, &invitation, now, now + lifetime).await?;
        self.announce_invitations();
        Ok(Response::new(invitation.to_wire(now)))
    }

    pub(crate) async fn withdraw_invitation(
        &self,
        request: Request<pb::WithdrawInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let pb::WithdrawInvitationRequest { project_id, invitation_id, etag } = request.into_inner();
        let id = InvitationId::of(&project_id, &invitation_id)?;
        let now = self.context.clock.now();
        let tx = self.context.database.begin(&caller).await?;
        let (access, invitation) = lock(&tx, id, caller.user()?.user_id).await?;
        if !invitation.needs_withdrawal(now)? {
            tx.finish();
            return Ok(Response::new(invitation.to_wire(now)));
        }
        etag::check(&etag, invitation.version)?;
        let invitation = queries::withdraw(tx, &access, &invitation, now).await?;
        self.announce_invitations();
        Ok(Response::new(invitation.to_wire(now)))
    }

    pub(crate) async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let claim = token_claim(&request.get_ref().token)?;
        let now = self.context.clock.now();
        let is_inviter_active = self.is_inviter_active(&claim).await?;
        let (tx, invitation, revision) = self.lock_invitation(&claim, Some(user_id)).await?;
        if !invitation.needs_acceptance_by(user_id, now)? {
            tx.finish();
            return Ok(revision.current().answer(invitation.to_wire(now)));
        }
        let inviter = queries::inviter(&tx, claim.id).await?.filter(|_| is_inviter_active);
        invitation.require_inviter_permissions(inviter.as_ref())?;
        let invitation = queries::accept(tx, &invitation, user_id, now).await?;
        self.announce_invitations();
        Ok(revision.next().answer(invitation.to_wire(now)))
    }

    pub(crate) async fn decline_invitation(
        &self,
        request: Request<pb::DeclineInvitationRequest>,
    ) -> Result<Response<pb::Invitation>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user().ok().map(|session| session.user_id);
        let claim = token_claim(&request.get_ref().token)?;
        let now = self.context.clock.now();
        let (tx, invitation, _revision) = self.lock_invitation(&claim, user_id).await?;
        if !invitation.needs_declining(now)? {
            tx.finish();
            return Ok(Response::new(invitation.to_wire(now)));
        }
        let invitation = queries::decline(tx, &invitation, user_id, now).await?;
        self.announce_invitations();
        Ok(Response::new(invitation.to_wire(now)))
    }
}
