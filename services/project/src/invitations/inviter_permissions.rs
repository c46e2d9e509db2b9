//! Withdrawal of invitations whose inviter could not add such a member any more.
//!
//! Accepting checks this by itself. Here it is made visible, and room for other invitations, whenever somebody looks.

use std::collections::HashSet;

use shared::error::Result;
use shared::user_lookup::known_users;
use uuid::Uuid;

use super::queries;
use crate::handler::ProjectHandler;

impl ProjectHandler {
    /// Withdraws the pending invitations of a project whose inviters were removed or demoted, or whose accounts are not
    /// active. Returns whether there were any.
    pub(crate) async fn withdraw_invalid_invitations(&self, project_id: Uuid) -> Result<bool> {
        let now = self.context.clock.now();
        let tx = self.context.worker.begin_background().await?;
        let pending = queries::list_pending(&tx, project_id, now).await?;
        tx.finish();
        if pending.is_empty() {
            return Ok(false);
        }
        let inviters: HashSet<Uuid> = pending.iter().map(|(invitation, _)| invitation.inviter_id).collect();
        let active = known_users(&self.context.siblings, &Vec::from_iter(inviters), true).await?;
        let is_invalid = |(invitation, inviter): &queries::PendingInvitation| {
            let inviter = inviter.as_ref().filter(|_| active.contains(&invitation.inviter_id));
            invitation.require_inviter_permissions(inviter).is_err()
        };
        let invalid = pending.iter().filter(|pending| is_invalid(pending));
        let invalid: Vec<Uuid> = invalid.map(|(invitation, _)| invitation.id).collect();
        if invalid.is_empty() {
            return Ok(false);
        }
        let tx = self.context.worker.begin_background().await?;
        queries::withdraw_all(&tx, &invalid, now).await?;
        tx.commit().await?;
        self.announce_invitations();
        Ok(true)
    }
}
