//! Begins sessions: after a password, after a second factor, and with a new account.

use shared::caller::Session as CachedSession;
use shared::database::{Transaction, explain};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use super::password_verifier::VerifiedPassword;
use super::queries::{self, AccountSession, NewSession};
use super::{AccountDraft, INVALID_CREDENTIALS, LoginInput};
use crate::CONSTRAINTS;
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::second_factor::{self, Challenge};
use crate::sessions::{Device, Session, Tokens};
use crate::users::User;

/// A session that has just begun or been refreshed. Its tokens are shown this once.
pub(super) struct IssuedSession {
    pub(super) user: User,
    pub(super) session: Session,
    pub(super) tokens: Tokens,
    /// Makes the device known at its next login.
    pub(super) device_token: String,
}

pub(super) enum LoginOutcome {
    Session(Box<IssuedSession>),
    /// The account has a second factor.
    Challenge(Challenge),
}

/// Begins a session after a password, or a challenge if the account has a second factor.
pub(super) async fn log_in(
    handler: &IdentityHandler,
    password: VerifiedPassword,
    device: &Device,
) -> Result<LoginOutcome> {
    let user_id = password.user_id;
    let tx = handler.begin_as(user_id).await?;
    let account = password.lock(&tx).await?;
    if account.has_second_factor {
        let challenge = second_factor::create_challenge(tx, user_id, handler.now()).await?;
        return Ok(LoginOutcome::Challenge(challenge));
    }
    audit::append(&tx, &Event::new(Kind::Login, user_id).by_user(user_id).from(device))?;
    let grant = begin_session(handler, tx, user_id, device).await?;
    Ok(LoginOutcome::Session(Box::new(grant)))
}

/// The retry of a request that created this account is a login, for whoever knows the password.
pub(super) async fn log_in_again(
    handler: &IdentityHandler,
    input: LoginInput,
    created: Uuid,
    device: &Device,
) -> Result<LoginOutcome> {
    let reused =
        || Error::precondition(ErrorReason::RequestIdReused, "this request_id was used for another request");
    match handler.verifier.verify_login(input, device).await {
        Ok(password) if password.user_id == created => log_in(handler, password, device).await,
        Ok(_) => Err(reused()),
        Err(error) if error.reason() == INVALID_CREDENTIALS.reason() => Err(reused()),
        Err(error) => Err(error),
    }
}

/// Begins a session and commits. If the user has too many, the oldest ends.
pub(super) async fn begin_session(
    handler: &IdentityHandler,
    tx: Transaction,
    user_id: Uuid,
    device: &Device,
) -> Result<IssuedSession> {
    let options = &handler.store.options;
    let expiry = options.begin(handler.now());
    let max_others = i32::try_from(options.max_sessions_per_user.saturating_sub(1)).unwrap_or(i32::MAX);
    let (tokens, device) = (Tokens::random(), device.clone());
    let new_tokens = tokens.clone();
    let commit = async move {
        let session = NewSession { tokens: &new_tokens, device: &device, expiry };
        let mut begun = queries::insert_session(tx, user_id, session, max_others).await?;
        let ended = std::mem::take(&mut begun.ended);
        Ok((begun, ended))
    };
    let begun = handler.revocations.announce_after(commit).await?;
    Ok(grant(handler, begun, tokens))
}

/// Creates an account with its first session, and commits.
pub(super) async fn create_account(
    handler: &IdentityHandler,
    tx: Transaction,
    draft: AccountDraft<'_>,
    device: &Device,
) -> Result<LoginOutcome> {
    let (user_id, tokens) = (draft.user_id, Tokens::random());
    tx.act_as(user_id)?;
    audit::append(&tx, &Event::new(Kind::Registered, user_id).by_user(user_id).from(device))?;
    let names = draft.account.encrypted_names(&handler.keys, user_id)?;
    let expiry = handler.store.options.begin(handler.now());
    let session = NewSession { tokens: &tokens, device, expiry };
    let begun = queries::insert_account(tx, &draft, &names, session)
        .await
        .map_err(explain(CONSTRAINTS))?
        .ok_or_else(|| Error::internal("the insert of an account returned no row"))?;
    Ok(LoginOutcome::Session(Box::new(grant(handler, begun, tokens))))
}

/// Also copies the session to the session store.
pub(super) fn grant(handler: &IdentityHandler, begun: AccountSession, tokens: Tokens) -> IssuedSession {
    let AccountSession { user, session, .. } = begun;
    let working = CachedSession {
        session_id: session.id,
        user_id: user.id,
        expires_at: session.expires_at,
        scopes: None,
    };
    handler.store.publish(tokens.session_hash(), working);
    let device_token = handler.device_token_key.token(user.id, session.id);
    IssuedSession { user, session, tokens, device_token }
}
