//! Answers siblings when Redis cannot.

use shared::authentication::{SessionSource, TokenHash};
use shared::error::Error;
use shared::json::to_timestamp;
use shared::proto::identity::internal::v1 as pb;
use shared::proto::identity::internal::v1::session_resolver_service_server::SessionResolverService;
use tonic::{Request, Response, Status};

use super::SessionStore;

/// Serves `SessionResolverService`.
pub struct SessionResolver(pub SessionStore);

#[tonic::async_trait]
impl SessionResolverService for SessionResolver {
    async fn resolve_session(
        &self,
        request: Request<pb::ResolveSessionRequest>,
    ) -> Result<Response<pb::ResolvedSession>, Status> {
        let hash = <[u8; 32]>::try_from(request.into_inner().token_hash)
            .map(TokenHash)
            .map_err(|_| Error::invalid("token_hash", "must have 32 bytes"))?;

        let session = self.0.resolve(&hash).await?.ok_or_else(|| Error::not_found("session", ""))?;

        Ok(Response::new(pb::ResolvedSession {
            session_id: session.session_id.to_string(),
            user_id: session.user_id.to_string(),
            expires_at: Some(to_timestamp(session.expires_at)),
        }))
    }
}
