//! Session lookup for the other services, when Redis has no answer.

use proto::identity::backend::v1 as pb;
use shared::authentication::{REPORT_BATCH, SessionSource, SessionUse, TokenHash};
use shared::error::Error;
use shared::json::to_timestamp;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use crate::handler::IdentityHandler;

impl IdentityHandler {
    pub(crate) async fn resolve_session(
        &self,
        request: Request<pb::ResolveSessionRequest>,
    ) -> Result<Response<pb::ResolvedSession>, Status> {
        let hash = <[u8; 32]>::try_from(request.into_inner().token_hash)
            .map(TokenHash)
            .map_err(|_| Error::invalid("token_hash", "must have 32 bytes"))?;

        let session = self.store.resolve(&hash).await?.ok_or_else(|| Error::not_found("session", ""))?;

        Ok(Response::new(pb::ResolvedSession {
            session_id: session.session_id.to_string(),
            user_id: session.user_id.to_string(),
            expires_at: Some(to_timestamp(session.expires_at)),
            api_token: session.scopes.is_some(),
            scopes: session.scopes.map(|scopes| scopes.0).unwrap_or_default(),
        }))
    }

    pub(crate) async fn report_seen_sessions(
        &self,
        request: Request<pb::ReportSeenSessionsRequest>,
    ) -> Result<Response<pb::ReportSeenSessionsResponse>, Status> {
        let seen = parse_seen(request.into_inner().sessions)?;

        self.store.report_seen(&seen).await?;

        Ok(Response::new(pb::ReportSeenSessionsResponse {}))
    }
}

fn parse_seen(sessions: Vec<pb::SeenSession>) -> Result<Vec<SessionUse>, Error> {
    let mut v = Violations::new();
    v.at_most("sessions", sessions.len(), REPORT_BATCH);
    let mut seen = Vec::with_capacity(sessions.len().min(REPORT_BATCH));
    for (index, session) in sessions.into_iter().take(REPORT_BATCH).enumerate() {
        let field = |name| format!("sessions[{index}].{name}");
        let session_id = v.uuid(&field("session_id"), &session.session_id);
        match v.optional_time(&field("seen_at"), session.seen_at) {
            Some(at) => seen.push(SessionUse { session_id, at }),
            None => v.require(session.seen_at.is_some(), &field("seen_at"), "must be given"),
        }
    }
    v.finish()?;
    Ok(seen)
}
