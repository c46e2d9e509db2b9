//! The RPC that invites on behalf of a user, for back ends.

use proto::project::backend::v1 as pb;
use shared::error::Result;
use tonic::{Request, Response, Status};

use super::issuer::InvitationIssuer;
use super::token::InvitationTokens;
use super::wire::IssueInvitationInput;

pub(crate) struct InvitationServiceHandler {
    pub issuer: InvitationIssuer,
    pub tokens: InvitationTokens,
}

impl InvitationServiceHandler {
    pub(crate) async fn issue_invitation(
        &self,
        request: Request<pb::IssueInvitationRequest>,
    ) -> Result<Response<pb::IssueInvitationResponse>, Status> {
        let now = self.issuer.context.clock.now();
        let IssueInvitationInput { create, returns_token } =
            IssueInvitationInput::of(request.into_inner(), now)?;
        let invitation = self.issuer.issue(&create, now).await?;
        let token = returns_token.then(|| self.tokens.of(invitation.id, invitation.generation));
        Ok(Response::new(pb::IssueInvitationResponse {
            invitation: Some(invitation.to_message(now)),
            token: token.unwrap_or_default(),
        }))
    }
}
