//! Refresh of sessions (RFC 9700, section 4.14.2: rotation with detection of reuse).

use proto::identity::v1 as pb;
use shared::authentication::{TokenHash, token_hash};
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use tonic::{Request, Response, Status};

use super::login::grant;
use super::queries::{self, AccountSession};
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::limits::{Attempt, Purpose};
use crate::sessions::queries::{FoundRefreshToken, find_refresh_token, revoke};
use crate::sessions::{Device, REFRESH_GRACE, SESSION_INVALID, Tokens, is_refresh_token};

/// The outcome for a refresh token that is known.
enum RefreshOutcome {
    Refreshed(Box<AccountSession>, Tokens),
    /// The token was used again after the grace period, so it may be stolen: the session has ended.
    Reused,
}

const REFRESH_TOKEN_REUSED: Error = Error::Unauthenticated {
    reason: ErrorReason::RefreshTokenReused,
    message: "the refresh token was used before, so its session has been ended; sign in",
};

impl IdentityHandler {
    pub(crate) async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::SessionGrant>, Status> {
        let device = Device::of(&request);
        let attempt = Attempt::new(Purpose::Refresh, &device);
        self.limiter.admit(&attempt).await?;

        let exchange = self.clone().exchange(request.into_inner().refresh_token, device);
        let refreshed = match self.revocations.announce_after(exchange).await {
            Ok(RefreshOutcome::Refreshed(session, tokens)) => Ok((session, tokens)),
            Ok(RefreshOutcome::Reused) => return Err(REFRESH_TOKEN_REUSED.into()),
            Err(error) => Err(error),
        };
        self.settle_in_background(attempt, refreshed.as_ref().err().map(Error::reason));

        let (session, tokens) = refreshed?;
        let grant = grant(self, *session, tokens);
        Ok(Response::new(grant.into_wire(&self.keys)?))
    }

    /// Returns the hashes of the tokens that no longer work as well. Concurrent calls wait for each other on the
    /// session's row.
    async fn exchange(self, token: String, device: Device) -> Result<(RefreshOutcome, Vec<TokenHash>)> {
        if !is_refresh_token(&token) {
            return Err(SESSION_INVALID);
        }
        let (hash, now) = (token_hash(&token), self.now());
        let tx = self.begin_anonymous().await?;
        let found = find_refresh_token(&tx, hash, now).await?.ok_or(SESSION_INVALID)?;
        tx.act_as(found.user_id)?;
        let tokens = self.successor_key.tokens_after(&token);
        match found.rotated_at {
            None => {
                let options = &self.store.options;
                let expiry = options.extend(found.created_at, now).ok_or(SESSION_INVALID)?;
                let mut session = queries::rotate_tokens(tx, &found, hash, &tokens, expiry).await?;
                let ended = std::mem::take(&mut session.ended);
                Ok((RefreshOutcome::Refreshed(Box::new(session), tokens), ended))
            }
            Some(rotated_at) if rotated_at > now - REFRESH_GRACE => {
                let session = find_successor(tx, &found, &tokens).await?;
                Ok((RefreshOutcome::Refreshed(Box::new(session), tokens), Vec::new()))
            }
            Some(_) => {
                let event = Event::new(Kind::RefreshTokenReused, found.user_id).with("session_id", found.id);
                audit::append(&tx, &event.from(&device))?;
                let (_, hash) = revoke(tx, found.id).await?.ok_or(SESSION_INVALID)?;
                Ok((RefreshOutcome::Reused, vec![hash]))
            }
        }
    }

    /// The caller does not wait for Redis.
    fn settle_in_background(&self, attempt: Attempt, error: Option<ErrorReason>) {
        let limiter = self.limiter.clone();
        tokio::spawn(async move { limiter.settle(&attempt, error).await });
    }
}

/// A late caller gets the same successors, unless they have been rotated as well.
async fn find_successor(
    tx: Transaction,
    found: &FoundRefreshToken,
    tokens: &Tokens,
) -> Result<AccountSession> {
    let session = queries::find_current(&tx, found, tokens).await?.ok_or(SESSION_INVALID)?;
    tx.finish();
    Ok(session)
}
