//! Sessions from the identity service, for its siblings.

use tonic::Code;

use super::{Scopes, SessionSource, SessionUse, TokenHash};
use crate::caller::Session;
use crate::error::{Error, Result, from_sibling};
use crate::json::{from_timestamp, to_timestamp};
use crate::siblings::Siblings;
use proto::identity::backend::v1 as pb;

/// Asks `dafnck.identity.backend.v1.SessionService`.
pub struct RemoteSessions(Siblings);

impl RemoteSessions {
    /// Over the connection to identity.
    pub fn new(siblings: Siblings) -> Self {
        Self(siblings)
    }
}

#[async_trait::async_trait]
impl SessionSource for RemoteSessions {
    async fn resolve(&self, hash: &TokenHash) -> Result<Option<Session>> {
        let request = pb::ResolveSessionRequest { token_hash: hash.0.to_vec() };
        match self.0.identity_sessions().resolve_session(request).await {
            Ok(answer) => answer.into_inner().try_into().map(Some),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(from_sibling("identity")(status)),
        }
    }

    async fn report_seen(&self, seen: &[SessionUse]) -> Result<()> {
        let sessions = seen.iter().map(|seen| pb::SeenSession {
            session_id: seen.session_id.to_string(),
            seen_at: Some(to_timestamp(seen.at)),
        });
        let request = pb::ReportSeenSessionsRequest { sessions: sessions.collect() };
        self.0.identity_sessions().report_seen_sessions(request).await.map_err(from_sibling("identity"))?;
        Ok(())
    }
}

impl TryFrom<pb::ResolvedSession> for Session {
    type Error = Error;

    fn try_from(session: pb::ResolvedSession) -> Result<Self> {
        let expires_at = session
            .expires_at
            .and_then(from_timestamp)
            .ok_or_else(|| Error::internal("identity answered a session without an end"))?;
        Ok(Self {
            session_id: session.session_id.parse().map_err(Error::internal)?,
            user_id: session.user_id.parse().map_err(Error::internal)?,
            expires_at,
            scopes: session.api_token.then_some(Scopes(session.scopes)),
        })
    }
}
