//! The caller's own API tokens.

use chrono::{DateTime, Utc};
use futures::try_join;
use proto::identity::v1 as pb;
use shared::authentication::token_hash;
use shared::caller::Caller;
use shared::error::{Error, ErrorReason, Result};
use shared::idempotency;
use shared::page::AfterTime;
use shared::validation::Violations;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{CreateApiTokenInput, MAX_SIGN_IN_AGE, MAX_TOKENS_PER_USER, queries};
use crate::audit::{self, Event, Kind};
use crate::auth::VerifiedOwner;
use crate::handler::IdentityHandler;
use crate::sessions::{Device, SESSION_INVALID};
use crate::{NAME, emails, sessions, users};

fn parse_token_id(text: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("api_token_id", text);
    v.finish()?;
    Ok(id)
}

fn not_found(id: Uuid) -> impl Fn() -> Error {
    move || Error::not_found("api_token", id)
}

fn check_token_limit(valid: i64) -> Result<()> {
    if valid < MAX_TOKENS_PER_USER {
        return Ok(());
    }
    Err(Error::Precondition {
        reason: ErrorReason::TooManyApiTokens,
        message: "there are as many working API tokens as a user may have; revoke one".to_owned(),
        metadata: vec![("limit", MAX_TOKENS_PER_USER.to_string())],
    })
}

/// Without the password, a stolen session could become a token that outlives it.
fn check_sign_in_age(signed_in_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    if signed_in_at.is_some_and(|at| at + MAX_SIGN_IN_AGE >= now) {
        return Ok(());
    }
    Err(Error::PermissionDenied {
        reason: ErrorReason::PasswordRequired,
        message: "you signed in too long ago; give the password, or sign in again".to_owned(),
        metadata: vec![("max_age_seconds", MAX_SIGN_IN_AGE.num_seconds().to_string())],
    })
}

impl IdentityHandler {
    async fn verify_token_owner(
        &self,
        caller: &Caller,
        password: String,
        device: &Device,
    ) -> Result<VerifiedOwner> {
        let owner = self.verifier.find_owner(caller).await?;
        self.verifier.verify_owner(caller, owner, password, device).await
    }

    pub(crate) async fn create_api_token(
        &self,
        request: Request<pb::CreateApiTokenRequest>,
    ) -> Result<Response<pb::CreateApiTokenResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let now = self.now();
        let mut input = CreateApiTokenInput::parse(request.into_inner(), now)?;
        let password = match input.password.take() {
            Some(password) => Some(self.verify_token_owner(&caller, password, &device).await?),
            None => None,
        };
        let id = Uuid::now_v7();

        let tx = self.begin(&caller).await?;
        let claim = idempotency::claim(&tx, NAME, user_id, "CreateApiToken", input.key.as_ref(), id);
        // The lock keeps concurrent calls from creating more tokens than allowed.
        let (replayed, owner, valid, signed_in_at) = try_join!(
            claim,
            users::queries::lock(&tx, user_id),
            queries::count_valid(&tx, now),
            sessions::queries::signed_in_at(&tx, caller.user()?.session_id)
        )?;
        let owner = owner.ok_or(SESSION_INVALID)?;
        if let Some(id) = replayed {
            let (api_token, hash) = queries::find(&tx, id).await?.ok_or_else(not_found(id))?;
            tx.finish();
            let token = Some(self.api_token_key.token(id)).filter(|token| token_hash(token) == hash);
            let (api_token, token) = (Some(api_token.into()), token.unwrap_or_default());
            return Ok(Response::new(pb::CreateApiTokenResponse { api_token, token }));
        }
        match password {
            Some(password) => password.lock(&tx).await?,
            None => check_sign_in_age(signed_in_at, now)?,
        }
        check_token_limit(valid)?;
        let token = self.api_token_key.token(id);
        let event = Event::new(Kind::ApiTokenCreated, user_id).by(&caller).from(&device);
        let scopes = input.scopes.0.join(" ");
        audit::append(&tx, &event.with("api_token_id", id).with("scopes", scopes))?;
        self.outbox.queue(&tx, &emails::api_token_created(user_id, &owner.email, now))?;
        let api_token = queries::insert(tx, (id, user_id), &input, token_hash(&token), now).await?;

        self.outbox.wake();

        let api_token =
            api_token.ok_or_else(|| Error::internal("the insert of an API token returned no row"))?;
        Ok(Response::new(pb::CreateApiTokenResponse { api_token: Some(api_token.into()), token }))
    }

    pub(crate) async fn get_api_token(
        &self,
        request: Request<pb::GetApiTokenRequest>,
    ) -> Result<Response<pb::ApiToken>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_token_id(&request.into_inner().api_token_id)?;

        let tx = self.begin(&caller).await?;
        let (api_token, _) = queries::find(&tx, id).await?.ok_or_else(not_found(id))?;
        tx.finish();

        Ok(Response::new(api_token.into()))
    }

    pub(crate) async fn list_api_tokens(
        &self,
        request: Request<pb::ListApiTokensRequest>,
    ) -> Result<Response<pb::ListApiTokensResponse>, Status> {
        let caller = Caller::of(&request)?;
        let query = format!("API tokens of {}", caller.user()?.user_id);
        let request = request.into_inner();
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;

        let tx = self.begin(&caller).await?;
        let mut tokens = queries::list(&tx, &page).await?;
        tx.finish();

        let next_page_token = self
            .context
            .pages
            .cut(&query, page.size, &mut tokens, |token| AfterTime { at: token.created_at, id: token.id })?;
        let api_tokens = tokens.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListApiTokensResponse { api_tokens, next_page_token }))
    }

    /// A token that was revoked before is announced again, in case a crash prevented it the first time.
    pub(crate) async fn revoke_api_token(
        &self,
        request: Request<pb::RevokeApiTokenRequest>,
    ) -> Result<Response<pb::ApiToken>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let id = parse_token_id(&request.into_inner().api_token_id)?;
        let now = self.now();
        let event =
            Event::new(Kind::ApiTokenRevoked, user_id).by(&caller).from(&device).with("api_token_id", id);

        let tx = self.begin(&caller).await?;
        let found = queries::find(&tx, id).await?.ok_or_else(not_found(id))?;
        let revoke = async move {
            let (token, hash) = if found.0.revoked_at.is_none() {
                audit::append(&tx, &event)?;
                queries::revoke(tx, id, now).await?.ok_or_else(not_found(id))?
            } else {
                tx.finish();
                found
            };
            Ok((token, vec![hash]))
        };

        let token = self.revocations.announce_after(revoke).await?;
        Ok(Response::new(token.into()))
    }
}
