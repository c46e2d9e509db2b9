//! Tokens: 256 random bits in base64url (RFC 4648, section 5) behind a readable prefix. They are shown once and
//! stored as SHA-256 only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use rand::RngCore as _;
use sha2::Sha256;
use shared::authentication::{API_TOKEN_PREFIX, SESSION_TOKEN_PREFIX, TOKEN_BYTES, TokenHash, token_hash};
use shared::config::Secret;
use shared::keys::key_for;
use uuid::Uuid;

/// What refresh tokens begin with.
pub const REFRESH_TOKEN_PREFIX: &str = "dfr_";

/// The tokens of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Sent with each call.
    pub session: String,
    /// Exchanged for the next tokens.
    pub refresh: String,
}

impl Tokens {
    /// New tokens.
    pub fn random() -> Self {
        Self { session: random(SESSION_TOKEN_PREFIX), refresh: random(REFRESH_TOKEN_PREFIX) }
    }

    /// Under which the session token is stored.
    pub fn session_hash(&self) -> TokenHash {
        token_hash(&self.session)
    }

    /// Under which the refresh token is stored.
    pub fn refresh_hash(&self) -> TokenHash {
        token_hash(&self.refresh)
    }
}

fn random(prefix: &str) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether this may be a refresh token: checked before any look-up, so that nonsense costs no round trip.
pub fn is_refresh_token(text: &str) -> bool {
    text.strip_prefix(REFRESH_TOKEN_PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

/// Derives the tokens that follow on a refresh token, under a key of the suite. Whoever exchanges the same
/// token gets the same successors, though no token is stored; without the key nobody can tell them.
#[derive(Clone)]
pub struct Succession(Hmac<Sha256>);

impl Succession {
    /// Under this secret, through a key of its own.
    pub fn new(secret: &Secret) -> Self {
        Self(key_for(secret, "session succession"))
    }

    /// What follows on a refresh token.
    pub fn after(&self, refresh_token: &str) -> Tokens {
        let derive = |prefix: &str| {
            let code = self.0.clone().chain_update(prefix).chain_update(refresh_token);
            format!("{prefix}{}", URL_SAFE_NO_PAD.encode(code.finalize().into_bytes()))
        };
        Tokens { session: derive(SESSION_TOKEN_PREFIX), refresh: derive(REFRESH_TOKEN_PREFIX) }
    }
}

/// Derives API tokens from their ids, under a key of the suite: a retry of the call that made one gets the same,
/// though no token is stored.
#[derive(Clone)]
pub struct ApiTokenKey(Hmac<Sha256>);

impl ApiTokenKey {
    /// Under this secret, through a key of its own.
    pub fn new(secret: &Secret) -> Self {
        Self(key_for(secret, "API tokens"))
    }

    /// The token with this id.
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
    fn successors_are_well_formed_and_follow_on_the_token_and_the_key_alone() {
        let succession = Succession::new(&"secret".into());
        let next = succession.after("dfr_a");
        assert!(is_refresh_token(&next.refresh));
        assert!(next == Succession::new(&"secret".into()).after("dfr_a"));
        assert!(next != succession.after("dfr_b"));
        assert!(next != Succession::new(&"other".into()).after("dfr_a"));
        assert_ne!(next.session.get(4..), next.refresh.get(4..));
    }

    #[test]
    fn nonsense_is_no_refresh_token() {
        for text in
            ["", "dfr_", "dfr_short", &Tokens::random().session, &format!("{}A", Tokens::random().refresh)]
        {
            assert!(!is_refresh_token(text), "{text}");
        }
    }
}
