//! Creation of invitations, by users and by back ends.

use chrono::{DateTime, Utc};
use shared::access::ProjectAccess;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency;

use super::wire::{CreateInvitationInput, InvitationId};
use super::{Invitation, queries};
use crate::handler::ProjectHandler;
use crate::members::require_permissions_of;
use crate::projects::queries as projects;
use crate::schema::NAME;

enum CreateClaim {
    /// The resource of an earlier call with the same request id.
    Replayed(Invitation),
    /// The open transaction, in which the limits were checked.
    New(Box<(Transaction, ProjectAccess)>),
}

impl ProjectHandler {
    /// Creates an invitation on behalf of the inviter, who needs every permission that it gives. One that nobody backs any
    /// more takes neither the address nor a place of the project.
    pub(crate) async fn insert_invitation(
        &self,
        input: &CreateInvitationInput,
        now: DateTime<Utc>,
    ) -> Result<Invitation> {
        let issued = self.try_insert_invitation(input, now).await;
        let is_blocked = issued.as_ref().is_err_and(|error| {
            matches!(error.reason(), ErrorReason::AlreadyExists | ErrorReason::TooManyInvitations)
        });
        if is_blocked && self.withdraw_invalid_invitations(input.invitation.project_id).await? {
            return self.try_insert_invitation(input, now).await;
        }
        issued
    }

    async fn try_insert_invitation(
        &self,
        input: &CreateInvitationInput,
        now: DateTime<Utc>,
    ) -> Result<Invitation> {
        let invitation = match self.claim_or_replay_invitation(input, now).await? {
            CreateClaim::Replayed(earlier) => return Ok(earlier),
            CreateClaim::New(open) => queries::insert(open.0, &open.1, &input.invitation).await?,
        };
        self.announce_invitations();
        Ok(invitation)
    }

    /// Wakes the feeds and the delivery of emails.
    pub(crate) fn announce_invitations(&self) {
        self.context.signal.announce();
        self.outbox.wake();
    }

    async fn claim_or_replay_invitation(
        &self,
        input: &CreateInvitationInput,
        now: DateTime<Utc>,
    ) -> Result<CreateClaim> {
        let CreateInvitationInput { key, invitation } = input;
        let (project_id, inviter_id) = (invitation.project_id, invitation.inviter_id);
        let tx = self.context.database.begin_as(inviter_id).await?;
        let (earlier, _project, (), (), counts, access) = futures::try_join!(
            idempotency::claim(&tx, NAME, inviter_id, "CreateInvitation", key.as_ref(), invitation.id),
            projects::lock(&tx, project_id),
            queries::lock_inviter_and_recipient(&tx, inviter_id, &invitation.email),
            queries::mark_expired(&tx, project_id, &invitation.email, now),
            queries::count(&tx, invitation, now),
            projects::access(&tx, project_id, inviter_id),
        )?;
        if let Some(id) = earlier {
            let found = queries::find(&tx, InvitationId { project_id, id }).await?;
            tx.finish();
            return found.map(CreateClaim::Replayed).ok_or_else(|| Error::not_found("invitation", id));
        }
        require_permissions_of(&access, invitation.role, &invitation.permissions)?;
        counts.check_limits()?;
        Ok(CreateClaim::New(Box::new((tx, access))))
    }
}
