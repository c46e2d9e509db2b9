//! Keys of one purpose each, from the secret that the suite shares: what is made under one tells nothing about
//! another, and fits nowhere else.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Secret;

/// The key for this purpose (HMAC-SHA256, RFC 2104, of the purpose's name under the secret).
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
