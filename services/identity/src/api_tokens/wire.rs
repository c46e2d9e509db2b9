//! Conversions of API tokens.

use chrono::{DateTime, Utc};
use proto::MethodRules;
use proto::identity::v1 as pb;
use shared::authentication::{MAX_SCOPES, Scopes};
use shared::error::Result;
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::Violations;

use super::{ApiToken, CreateApiTokenInput, MAX_LIFETIME};
use crate::passwords;

const MAX_NAME_CHARS: usize = 100;

impl CreateApiTokenInput {
    pub(super) fn parse(mut request: pb::CreateApiTokenRequest, now: DateTime<Utc>) -> Result<Self> {
        let mut v = Violations::new();
        // The stored hash of the request does not cover the password: it would allow guessing it.
        let password = Some(std::mem::take(&mut request.password)).filter(|given| !given.is_empty());
        let password = password.map(|given| passwords::check_given(&mut v, "password", given));
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let mut of_token = Violations::within("api_token.");
        let token = v.message("api_token", request.api_token);
        let name = of_token.line("name", token.name, 1, MAX_NAME_CHARS);
        let scopes = scopes(&mut of_token, token.scopes);
        let expires_at = of_token.optional_time("expires_at", token.expires_at);
        let is_valid = expires_at.is_some_and(|at| at > now && at <= now + MAX_LIFETIME);
        of_token.require(is_valid, "expires_at", "must be in the future, and in no more than 366 days");
        v.absorb(of_token);
        v.finish()?;
        Ok(Self { key, password, name, scopes, expires_at: expires_at.unwrap_or(now) })
    }
}

/// Sorted, each once.
fn scopes(v: &mut Violations, mut scopes: Vec<String>) -> Scopes {
    v.require(!scopes.is_empty(), "scopes", "must name at least one");
    v.items("scopes", &scopes, MAX_SCOPES, |v, scope| {
        if !Scopes::is_known(scope, MethodRules::suite()) {
            let shown: String = scope.chars().take(MAX_NAME_CHARS).collect();
            v.add("scopes", format!("{shown:?} is no scope, as tasks:read or tasks:*"));
        }
    });
    scopes.sort();
    scopes.dedup();
    Scopes(scopes)
}

impl From<ApiToken> for pb::ApiToken {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes,
            created_at: Some(to_timestamp(token.created_at)),
            expires_at: Some(to_timestamp(token.expires_at)),
            last_used_at: token.last_used_at.map(to_timestamp),
            revoked_at: token.revoked_at.map(to_timestamp),
        }
    }
}
