//! Tokens of invitations: an HMAC of the invitation's id and generation under a key of this service. No row of the
//! database holds one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::config::DerivationOptions;
use shared::keys::DerivedKey;
use uuid::Uuid;

const PREFIX: &str = "dfi_";

#[derive(Clone)]
pub(crate) struct InvitationTokens(DerivedKey);

/// The parsed, unverified content of a token.
#[derive(Clone, Debug)]
pub(crate) struct TokenClaim {
    pub id: Uuid,
    code: Vec<u8>,
}

impl InvitationTokens {
    /// Derives a key for this purpose alone.
    pub(crate) fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "project invitations"))
    }

    pub(crate) fn of(&self, id: Uuid, generation: i32) -> String {
        let code = code(&self.0.current, id, generation).finalize().into_bytes();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&id.as_bytes()[..], &code[..]].concat()))
    }

    pub(crate) fn verify(&self, claim: &TokenClaim, generation: i32) -> bool {
        self.0.is_any(|key| code(key, claim.id, generation).verify_slice(&claim.code).is_ok())
    }
}

fn code(key: &Hmac<Sha256>, id: Uuid, generation: i32) -> Hmac<Sha256> {
    key.clone().chain_update(id.as_bytes()).chain_update(generation.to_be_bytes())
}

impl TokenClaim {
    /// `None` for what is not a token.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (id, code) = bytes.split_at_checked(16)?;
        Some(Self { id: Uuid::from_slice(id).ok()?, code: code.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_invitation_generation_and_key() {
        let tokens = InvitationTokens::new(&"secret".into());
        let id = Uuid::from_u128(7);
        let claim = TokenClaim::parse(&tokens.of(id, 1)).unwrap();
        assert_eq!(claim.id, id);
        assert!(tokens.verify(&claim, 1));
        assert!(!tokens.verify(&claim, 2));
        assert!(!InvitationTokens::new(&"other".into()).verify(&claim, 1));
        let other = TokenClaim { id: Uuid::from_u128(8), ..claim };
        assert!(!tokens.verify(&other, 1));
    }

    #[test]
    fn malformed_and_cut_tokens_do_not_verify() {
        let tokens = InvitationTokens::new(&"secret".into());
        let whole = tokens.of(Uuid::from_u128(7), 1);
        for text in ["", "dfi_", "dfs_AAAA", "dfi_AAAA", whole.get(..40).unwrap()] {
            let is_true = TokenClaim::parse(text).is_some_and(|claim| tokens.verify(&claim, 1));
            assert!(!is_true, "{text}");
        }
    }
}
