//! What becomes of a refresh token (RFC 9700, section 4.14.2: rotation with detection of replay).

use chrono::{DateTime, Utc};
use shared::authentication::{TokenHash, token_hash};
use shared::database::{Database, Transaction};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::{Opened, queries};
use crate::audit::{self, Event, Kind};
use crate::sessions::queries::{FoundRefresh, find_refresh_token, revoke};
use crate::sessions::{
    Device, REFRESH_GRACE, SESSION_INVALID, SessionOptions, Succession, Tokens, is_refresh_token,
};

/// The outcome for a refresh token.
pub(super) enum Refreshed {
    /// The session goes on under these tokens.
    GoesOn(Box<Opened>, Tokens),
    /// The token was used again and is taken for stolen: the session has ended.
    Ended(TokenHash),
}

impl Refreshed {
    /// The hashes of the tokens that no longer work.
    pub(super) fn ended(&self) -> Vec<TokenHash> {
        match self {
            Self::GoesOn(opened, _) => opened.ended.clone(),
            Self::Ended(hash) => vec![*hash],
        }
    }
}

/// What an exchange needs.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) database: Database,
    pub(super) succession: Succession,
    pub(super) options: SessionOptions,
}

/// The refusal of a refresh token that is taken for stolen.
pub(super) const REFRESH_TOKEN_REUSED: Error = Error::Unauthenticated {
    reason: ErrorReason::RefreshTokenReused,
    message: "the refresh token was used before, so its session has been ended; sign in",
};

/// Exchanges a refresh token. Concurrent calls wait for each other on the session's row.
pub(super) async fn refresh(
    Exchange { database, succession, options }: &Exchange,
    token: &str,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<Refreshed> {
    if !is_refresh_token(token) {
        return Err(SESSION_INVALID);
    }
    let hash = token_hash(token);
    let tx = database.begin_as(Uuid::nil()).await?;
    let found = find_refresh_token(&tx, hash, now).await?.ok_or(SESSION_INVALID)?;
    tx.act_as(found.user_id)?;
    let tokens = succession.after(token);
    match found.rotated_at {
        None => {
            let lease = options.prolong(found.created_at, now).ok_or(SESSION_INVALID)?;
            let opened = queries::exchange(tx, &found, hash, &tokens, lease).await?;
            Ok(Refreshed::GoesOn(Box::new(opened), tokens))
        }
        Some(exchanged) if exchanged > now - REFRESH_GRACE => repeat(tx, &found, tokens).await,
        Some(_) => {
            let event = Event::new(Kind::RefreshTokenReused, found.user_id).with("session_id", found.id);
            audit::append(&tx, &event.from(device))?;
            let (_, hash) = revoke(tx, found.id).await?.ok_or(SESSION_INVALID)?;
            Ok(Refreshed::Ended(hash))
        }
    }
}

/// Answers a caller that came a little late with the same successors, unless they have been exchanged as well.
async fn repeat(tx: Transaction, found: &FoundRefresh, tokens: Tokens) -> Result<Refreshed> {
    let opened = queries::find_current(&tx, found, &tokens).await?.ok_or(SESSION_INVALID)?;
    tx.finish();
    Ok(Refreshed::GoesOn(Box::new(opened), tokens))
}
