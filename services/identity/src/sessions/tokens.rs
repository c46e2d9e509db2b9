//! Tokens: 256 random bits in base64url (RFC 4648, section 5) behind a readable prefix. They are shown once and
//! stored as SHA-256 only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use rand::RngCore as _;
use sha2::Sha256;
use shared::authentication::{API_TOKEN_PREFIX, SESSION_TOKEN_PREFIX, TOKEN_BYTES, TokenHash, token_hash};
use shared::config::DerivationOptions;
use shared::keys::DerivedKey;
use uuid::Uuid;

const REFRESH_TOKEN_PREFIX: &str = "dfr_";

/// The tokens of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub session: String,
    pub refresh: String,
}

impl Tokens {
    pub fn random() -> Self {
        Self { session: random(SESSION_TOKEN_PREFIX), refresh: random(REFRESH_TOKEN_PREFIX) }
    }

    pub fn session_hash(&self) -> TokenHash {
        token_hash(&self.session)
    }

    pub fn refresh_hash(&self) -> TokenHash {
        token_hash(&self.refresh)
    }
}

fn random(prefix: &str) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Checked first, so that a malformed token costs no round trip.
pub fn is_refresh_token(text: &str) -> bool {
    text.strip_prefix(REFRESH_TOKEN_PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

/// Derives the successors of a refresh token, so that concurrent callers get the same ones although no token is stored.
#[derive(Clone)]
pub struct SuccessorKey(Hmac<Sha256>);

impl SuccessorKey {
    /// The key is derived from the service's secret.
    pub fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "session succession").current)
    }

    pub fn tokens_after(&self, refresh_token: &str) -> Tokens {
        let derive = |prefix: &str| {
            let code = self.0.clone().chain_update(prefix).chain_update(refresh_token);
            format!("{prefix}{}", URL_SAFE_NO_PAD.encode(code.finalize().into_bytes()))
        };
        Tokens { session: derive(SESSION_TOKEN_PREFIX), refresh: derive(REFRESH_TOKEN_PREFIX) }
    }
}

/// Derives API tokens from their ids, so that a retry of the call that created one gets the same although no token is
/// stored.
#[derive(Clone)]
pub struct ApiTokenKey(Hmac<Sha256>);

impl ApiTokenKey {
    /// The key is derived from the service's secret.
    pub fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "API tokens").current)
    }

    pub fn token(&self, id: Uuid) -> String {
        let code = self.0.clone().chain_update(id.as_bytes()).finalize().into_bytes();
        format!("{API_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tokens_are_well_formed_and_differ() {
        let (first, second) = (Tokens::random(), Tokens::random());
        assert!(is_refresh_token(&first.refresh));
        assert!(first.session.starts_with("dfs_"));
        assert!(first != second);
    }

    #[test]
    fn successors_are_well_formed_and_depend_on_the_token_and_the_key_alone() {
        let key = SuccessorKey::new(&"secret".into());
        let next = key.tokens_after("dfr_a");
        assert!(is_refresh_token(&next.refresh));
        assert!(next == SuccessorKey::new(&"secret".into()).tokens_after("dfr_a"));
        assert!(next != key.tokens_after("dfr_b"));
        assert!(next != SuccessorKey::new(&"other".into()).tokens_after("dfr_a"));
        assert_ne!(next.session.get(4..), next.refresh.get(4..));
    }

    #[test]
    fn a_malformed_refresh_token_is_rejected() {
        for text in
            ["", "dfr_", "dfr_short", &Tokens::random().session, &format!("{}A", Tokens::random().refresh)]
        {
            assert!(!is_refresh_token(text), "{text}");
        }
    }
}
