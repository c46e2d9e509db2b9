//! The RPCs for back ends, which invite on behalf of a user, and for the identity service, which erases accounts.

use proto::project::backend::v1 as pb;
use shared::error::Result;
use shared::validation::{MAX_EMAIL_CHARS, Violations};
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::IssueInvitationInput;
use crate::handler::ProjectHandler;

impl ProjectHandler {
    pub(crate) async fn issue_invitation(
        &self,
        request: Request<pb::IssueInvitationRequest>,
    ) -> Result<Response<pb::IssueInvitationResponse>, Status> {
        let now = self.context.clock.now();
        let IssueInvitationInput { create, returns_token } =
            IssueInvitationInput::of(request.into_inner(), now)?;
        let invitation = self.insert_invitation(&create, now).await?;
        let token = returns_token.then(|| self.invitation_tokens.of(invitation.id, invitation.generation));
        Ok(Response::new(pb::IssueInvitationResponse {
            invitation: Some(invitation.to_wire(now)),
            token: token.unwrap_or_default(),
        }))
    }

    pub(crate) async fn erase_invitee(
        &self,
        request: Request<pb::EraseInviteeRequest>,
    ) -> Result<Response<pb::EraseInviteeResponse>, Status> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let user_id = v.uuid("user_id", &request.user_id);
        let email = v.text("email", request.email, 1, MAX_EMAIL_CHARS);
        v.finish()?;

        let tx = self.context.worker.begin_background().await?;
        queries::erase_invitee(&tx, user_id, &email).await?;
        tx.commit().await?;
        self.announce_invitations();
        Ok(Response::new(pb::EraseInviteeResponse {}))
    }
}
