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

const MAX_NAME_CHARS: usize = 100;

impl CreateApiTokenInput {
    pub(super) fn parse(request: pb::CreateApiTokenRequest, now: DateTime<Utc>) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        v.require(!request.scopes.is_empty(), "scopes", "must name at least one");
        v.at_most("scopes", request.scopes.len(), MAX_SCOPES);
        for scope in request
            .scopes
            .iter()
            .take(MAX_SCOPES)
            .filter(|scope| !Scopes::is_known(scope, MethodRules::suite()))
        {
            let shown: String = scope.chars().take(MAX_NAME_CHARS).collect();
            v.add(
                "scopes",
                format!("{shown:?} is no scope, as task:read, task:*, task:TaskService.CreateTask"),
            );
        }
        let expires_at = v.optional_time("expires_at", request.expires_at);
        let is_valid = expires_at.is_some_and(|at| at > now && at <= now + MAX_LIFETIME);
        v.require(is_valid, "expires_at", "must be in the future, and in no more than 366 days");
        let name = v.line("name", request.name, 1, MAX_NAME_CHARS);
        v.finish()?;
        let mut scopes = request.scopes;
        scopes.sort();
        scopes.dedup();
        Ok(Self { key, name, scopes: Scopes(scopes), expires_at: expires_at.unwrap_or(now) })
    }
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
