//! Keys derived from a service's own secret, one for each purpose, so that a value made under one key is useless under
//! another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::DerivationOptions;
use crate::config::Secret;

/// The key of a purpose, and the one that was its key before the secret was changed.
#[derive(Clone)]
pub struct DerivedKey {
    /// Makes new values.
    pub current: Hmac<Sha256>,
    former: Option<Hmac<Sha256>>,
}

impl DerivedKey {
    /// The key of the purpose under the secrets of a service.
    pub fn new(secrets: &DerivationOptions, purpose: &str) -> Self {
        let former = secrets.former_derivation_secret.as_ref();
        Self {
            current: key_for(&secrets.derivation_secret, purpose),
            former: former.map(|secret| key_for(secret, purpose)),
        }
    }

    /// The current key and the former one.
    pub fn all(&self) -> impl Iterator<Item = &Hmac<Sha256>> {
        [Some(&self.current), self.former.as_ref()].into_iter().flatten()
    }

    /// Whether a value was made under this key or the former one.
    pub fn is_any(&self, made: impl FnMut(&Hmac<Sha256>) -> bool) -> bool {
        self.all().any(made)
    }
}

/// Derives the key for a purpose: HMAC-SHA256 (RFC 2104) of the purpose's name under the secret.
fn key_for(secret: &Secret, purpose: &str) -> Hmac<Sha256> {
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

    fn code(key: &Hmac<Sha256>) -> Vec<u8> {
        key.clone().finalize().into_bytes().to_vec()
    }

    #[test]
    fn a_key_is_of_its_secret_and_its_purpose() {
        let derived = |secret: &str, purpose| code(&DerivedKey::new(&secret.into(), purpose).current);
        assert_eq!(derived("secret", "page tokens"), derived("secret", "page tokens"));
        assert_ne!(derived("secret", "page tokens"), derived("secret", "account codes"));
        assert_ne!(derived("secret", "page tokens"), derived("other", "page tokens"));
    }

    #[test]
    fn after_a_change_the_new_secret_makes_values_and_the_former_one_is_accepted() {
        let before = DerivedKey::new(&"old".into(), "page tokens");
        let changed = DerivationOptions {
            derivation_secret: "new".into(),
            former_derivation_secret: Some("old".into()),
        };
        let after = DerivedKey::new(&changed, "page tokens");
        assert_ne!(code(&after.current), code(&before.current));
        for made in [code(&before.current), code(&after.current)] {
            assert!(after.is_any(|key| code(key) == made));
        }
        assert!(
            !after.is_any(|key| code(key) == code(&DerivedKey::new(&"other".into(), "page tokens").current))
        );
    }
}
