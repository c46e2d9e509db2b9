//! Keys derived from the secret that the suite shares, one for each purpose, so that a value made under one key is
//! useless under another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Secret;

/// Derives the key for a purpose: HMAC-SHA256 (RFC 2104) of the purpose's name under the secret.
pub fn key_for(secret: &Secret, purpose: &str) -> Hmac<Sha256> {
    let key = keyed(secret.expose().as_bytes()).chain_update(purpose);
    keyed(&key.finalize().into_bytes())
}

#[allow(clippy::expect_used, reason = "HMAC (RFC 2104) takes keys of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_secret_and_its_purpose() {
        let code = |secret: &str, purpose| key_for(&secret.into(), purpose).finalize().into_bytes();
        assert_eq!(code("secret", "page tokens"), code("secret", "page tokens"));
        assert_ne!(code("secret", "page tokens"), code("secret", "account codes"));
        assert_ne!(code("secret", "page tokens"), code("other", "page tokens"));
    }
}
