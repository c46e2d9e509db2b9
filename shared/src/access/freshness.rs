//! Consistency tokens: a caller who has just changed who may do what can require that other services know of it.
//!
//! A write that changes membership, role, visibility or status returns a token in the response's metadata. Task and
//! content take it as metadata of a request, and answer from a copy that is at least as fresh. Without a token, a change
//! takes effect within milliseconds by the feed, at no cost.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use http::HeaderMap;
use tonic::Status;
use tonic::service::Routes;
use uuid::Uuid;

use super::AccessCopies;
use crate::error::{Error, Result};

/// Response metadata of writes: the token that later requests may send.
pub const CONSISTENCY_TOKEN: &str = "dafnck-consistency-token";
/// Request metadata: one or more tokens, as several values or separated by commas.
pub const AT_LEAST_AS_FRESH: &str = "dafnck-at-least-as-fresh";
/// Most tokens of one request.
pub const MAX_TOKENS: usize = 8;
/// How long a call waits for the copy to become as fresh as it asks, at most.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);

/// How fresh the access to a project must be. Opaque to clients; a made-up one only makes its own caller wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// The project.
    pub project_id: Uuid,
    /// The revision of its access state.
    pub revision: i64,
}

impl ConsistencyToken {
    /// The response to a write, with this token.
    pub fn answer<T>(self, message: T) -> tonic::Response<T> {
        let mut response = tonic::Response::new(message);
        if let Ok(value) = self.to_string().parse() {
            response.metadata_mut().insert(CONSISTENCY_TOKEN, value);
        }
        response
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.project_id.as_bytes()[..], &self.revision.to_be_bytes()[..]].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ConsistencyToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| {
            let (project_id, revision) = bytes.split_at_checked(16)?;
            let revision = i64::from_be_bytes(revision.try_into().ok()?);
            Some(Self { project_id: Uuid::from_slice(project_id).ok()?, revision })
        });
        parsed
            .filter(|token| token.revision >= 0)
            .ok_or_else(|| Error::invalid(AT_LEAST_AS_FRESH, "must be a token from an earlier answer"))
    }
}

/// The tokens of a request; mostly none.
pub(crate) fn tokens_of(headers: &HeaderMap) -> Result<Vec<ConsistencyToken>> {
    let mut tokens = Vec::new();
    for value in headers.get_all(AT_LEAST_AS_FRESH) {
        let text = value.to_str().unwrap_or_default();
        for token in text.split(',') {
            if tokens.len() == MAX_TOKENS {
                return Err(Error::invalid(
                    AT_LEAST_AS_FRESH,
                    format!("must be at most {MAX_TOKENS} tokens"),
                ));
            }
            tokens.push(token.trim().parse()?);
        }
    }
    Ok(tokens)
}

impl AccessCopies {
    /// Wraps the routes so that every call first waits for the freshness that it asks for.
    pub fn enforce_freshness(&self, routes: Routes) -> Routes {
        let router = routes.into_axum_router();
        Routes::from(
            router.layer(axum::middleware::from_fn_with_state(Arc::new(self.clone()), freshness_layer)),
        )
    }

    /// Refreshes the copies that are older than the tokens.
    async fn refresh_outdated(&self, tokens: &[ConsistencyToken]) -> Result<()> {
        let projects: Vec<Uuid> = tokens.iter().map(|token| token.project_id).collect();
        let known: HashMap<Uuid, i64> = self.revisions(&projects).await?.into_iter().collect();
        let outdated = tokens
            .iter()
            .filter(|token| known.get(&token.project_id).copied().unwrap_or_default() < token.revision);
        try_join_all(outdated.map(|token| self.refresh_to_revision(*token))).await?;
        Ok(())
    }

    async fn refresh_to_revision(&self, token: ConsistencyToken) -> Result<()> {
        if self.refresh(token.project_id).await? < token.revision {
            return Err(Error::unavailable("project", "it does not know the revision of the token"));
        }
        Ok(())
    }
}

/// The state is cloned for each call, so it is behind one pointer.
async fn freshness_layer(State(copies): State<Arc<AccessCopies>>, request: Request, next: Next) -> Response {
    match wait_until_fresh(&copies, request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(error) => Status::from(error).into_http(),
    }
}

async fn wait_until_fresh(copies: &AccessCopies, headers: &HeaderMap) -> Result<()> {
    let tokens = tokens_of(headers)?;
    if tokens.is_empty() {
        return Ok(());
    }
    let refreshing = tokio::time::timeout(REFRESH_TIMEOUT, copies.refresh_outdated(&tokens));
    refreshing.await.unwrap_or_else(|late| Err(Error::unavailable("project", late)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(revision: i64) -> ConsistencyToken {
        ConsistencyToken { project_id: Uuid::from_u128(7), revision }
    }

    #[test]
    fn a_token_reads_as_it_is_written() {
        for revision in [0, 1, i64::MAX] {
            assert_eq!(token(revision).to_string().parse::<ConsistencyToken>().unwrap(), token(revision));
        }
        for garbage in ["", "x", "AAAA", &token(-1).to_string(), &format!("{}A", token(1))] {
            assert!(garbage.parse::<ConsistencyToken>().is_err(), "{garbage}");
        }
    }

    #[test]
    fn several_tokens_come_as_values_or_with_commas() {
        let mut headers = HeaderMap::new();
        assert_eq!(tokens_of(&headers).unwrap(), []);
        headers.append(AT_LEAST_AS_FRESH, format!("{}, {}", token(1), token(2)).parse().unwrap());
        headers.append(AT_LEAST_AS_FRESH, token(3).to_string().parse().unwrap());
        assert_eq!(tokens_of(&headers).unwrap(), [token(1), token(2), token(3)]);
        headers.append(AT_LEAST_AS_FRESH, vec![token(4).to_string(); 6].join(",").parse().unwrap());
        assert!(tokens_of(&headers).is_err(), "nine");
    }
}
