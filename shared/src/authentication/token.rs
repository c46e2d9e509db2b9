//! Session tokens and the `authorization` header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorReason, Result};
use crate::service_identity;

/// What session tokens begin with, so that people and secret scanners recognise them.
pub const SESSION_TOKEN_PREFIX: &str = "dfs_";
/// What API tokens begin with.
pub const API_TOKEN_PREFIX: &str = "dfa_";
/// Random bytes in a token.
pub const TOKEN_BYTES: usize = 32;

/// SHA-256 (FIPS 180-4) of a whole token: the only form in which tokens are stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// As 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Debug for TokenHash {
    /// The first digits only: enough to tell two apart in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_hex();
        write!(formatter, "{}…", text.get(..8).unwrap_or_default())
    }
}

/// The hash of a token.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// What the `authorization` header carries (RFC 9110, section 11.6.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// `Bearer dfs_…` or `Bearer dfa_…` (RFC 6750): the hash of a well-formed session or API token.
    Session(TokenHash),
    /// `Service …`: see [`service_identity`].
    Service(&'a str),
}

impl<'a> Credentials<'a> {
    pub(crate) fn parse(header: &'a str) -> Result<Self> {
        let (scheme, credentials) = header.split_once(' ').ok_or(SESSION_INVALID)?;
        if scheme.eq_ignore_ascii_case("bearer") && is_token(credentials) {
            Ok(Self::Session(token_hash(credentials)))
        } else if scheme.eq_ignore_ascii_case(service_identity::SCHEME) {
            Ok(Self::Service(credentials))
        } else {
            Err(SESSION_INVALID)
        }
    }
}

/// The refusal of a token that is malformed, unknown, expired or revoked: callers cannot tell which.
pub(super) const SESSION_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "the session is unknown, expired or revoked; sign in or refresh",
};

/// Checked before any look-up, so that nonsense costs no round trip.
fn is_token(token: &str) -> bool {
    token
        .strip_prefix(SESSION_TOKEN_PREFIX)
        .or_else(|| token.strip_prefix(API_TOKEN_PREFIX))
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == TOKEN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        format!("{SESSION_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode([7; TOKEN_BYTES]))
    }

    #[test]
    fn a_session_token_is_found_under_its_hash() {
        let token = token();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{scheme} {token}");
            assert_eq!(Credentials::parse(&header).unwrap(), Credentials::Session(token_hash(&token)));
        }
    }

    #[test]
    fn service_credentials_are_kept_apart() {
        assert_eq!(Credentials::parse("Service task.1.00").unwrap(), Credentials::Service("task.1.00"));
    }

    #[test]
    fn anything_else_is_refused() {
        let token = token();
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dTpw",
            &token,
            &format!("Bearer {token}A"),
            &format!("Bearer  {token}"),
            "Bearer dfs_short",
        ] {
            assert!(Credentials::parse(header).is_err(), "{header}");
        }
    }

    /// The vector of FIPS 180-4 for `abc`.
    #[test]
    fn the_hash_is_sha_256_and_survives_hex() {
        let hash = token_hash("abc");
        assert_eq!(hash.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(TokenHash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(TokenHash::from_hex("ba78"), None);
    }
}
