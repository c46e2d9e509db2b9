//! How somebody is invited, whoever asks for it.

use chrono::{DateTime, Utc};
use shared::access::ProjectAccess;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::idempotency;
use shared::mail::Outbox;
use shared::service::ServiceContext;

use super::wire::{CreateInvitation, InvitationId};
use super::{Invitation, queries};
use crate::NAME;
use crate::members::must_have_all;
use crate::projects::queries as projects;

/// Makes invitations.
#[derive(Clone)]
pub(crate) struct Inviting {
    pub context: ServiceContext,
    pub outbox: Outbox,
}

/// What a wish to invite somebody finds.
enum Room {
    /// An earlier call under the same request id made this.
    Taken(Invitation),
    /// The inviter may go on, in this transaction.
    Free(Box<(Transaction, ProjectAccess)>),
}

impl Inviting {
    /// Invites somebody on behalf of the inviter, who must be allowed to let them in themselves.
    pub(crate) async fn invite(&self, asked: &CreateInvitation, now: DateTime<Utc>) -> Result<Invitation> {
        let invitation = match self.claim_or_replay(asked, now).await? {
            Room::Taken(earlier) => return Ok(earlier),
            Room::Free(room) => queries::insert(room.0, &room.1, &asked.invitation).await?,
        };
        self.announce();
        Ok(invitation)
    }

    /// Tells those who wait that an invitation has changed.
    pub(crate) fn announce(&self) {
        self.context.signal.announce();
        self.outbox.wake();
    }

    async fn claim_or_replay(&self, asked: &CreateInvitation, now: DateTime<Utc>) -> Result<Room> {
        let CreateInvitation { key, invitation } = asked;
        let (project_id, inviter_id) = (invitation.project_id, invitation.inviter_id);
        let tx = self.context.database.begin_as(inviter_id).await?;
        let (earlier, _project, (), (), load, access) = futures::try_join!(
            idempotency::claim(&tx, NAME, inviter_id, "CreateInvitation", key.as_ref(), invitation.id),
            projects::lock(&tx, project_id),
            queries::queue_up(&tx, inviter_id),
            queries::mark_expired(&tx, project_id, &invitation.email, now),
            queries::load(&tx, project_id, inviter_id, now),
            projects::access(&tx, project_id, inviter_id),
        )?;
        if let Some(id) = earlier {
            let found = queries::find(&tx, InvitationId { project_id, id }).await?;
            tx.finish();
            return found.map(Room::Taken).ok_or_else(|| Error::not_found("invitation", id));
        }
        must_have_all(&access, invitation.role, &invitation.permissions)?;
        load.has_room()?;
        Ok(Room::Free(Box::new((tx, access))))
    }
}
