//! The RPC of `InvitationIssuingService`. Only services get here, on behalf of users.

use proto::project::backend::v1 as pb;
use shared::error::Result;
use tonic::{Request, Response, Status};

use super::inviting::Inviting;
use super::token::InvitationTokens;
use super::wire::IssueInvitation;

/// Serves `InvitationIssuingService`.
pub(crate) struct Issuing {
    pub inviting: Inviting,
    pub tokens: InvitationTokens,
}

impl Issuing {
    pub(crate) async fn issue_invitation(
        &self,
        request: Request<pb::IssueInvitationRequest>,
    ) -> Result<Response<pb::IssueInvitationResponse>, Status> {
        let now = self.inviting.context.clock.now();
        let IssueInvitation { create, returns_token } = IssueInvitation::of(request.into_inner(), now)?;
        let invitation = self.inviting.invite(&create, now).await?;
        let token = returns_token.then(|| self.tokens.of(invitation.id, invitation.generation));
        Ok(Response::new(pb::IssueInvitationResponse {
            invitation: Some(invitation.to_message(now)),
            token: token.unwrap_or_default(),
        }))
    }
}
