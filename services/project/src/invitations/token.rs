//! Tokens of invitations: derived from the invitation and its generation under a key of the suite. Without the key
//! nobody can tell one, and no row of the database holds one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::config::Secret;
use shared::keys::key_for;
use uuid::Uuid;

/// What tokens begin with.
const PREFIX: &str = "dfi_";

/// Makes and checks tokens.
#[derive(Clone)]
pub(crate) struct InvitationTokens(Hmac<Sha256>);

/// What a token claims, before it is checked.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The invitation that it is of.
    pub id: Uuid,
    code: Vec<u8>,
}

impl InvitationTokens {
    /// Under this secret, through a key of its own.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(key_for(secret, "project invitations"))
    }

    /// The token of an invitation.
    pub(crate) fn of(&self, id: Uuid, generation: i32) -> String {
        let code = self.code(id, generation).finalize().into_bytes();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&id.as_bytes()[..], &code[..]].concat()))
    }

    /// Whether a claim is true of this generation.
    pub(crate) fn confirm(&self, claim: &Claim, generation: i32) -> bool {
        self.code(claim.id, generation).verify_slice(&claim.code).is_ok()
    }

    fn code(&self, id: Uuid, generation: i32) -> Hmac<Sha256> {
        self.0.clone().chain_update(id.as_bytes()).chain_update(generation.to_be_bytes())
    }
}

impl Claim {
    /// Reads a token; `None` for what cannot be one.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (id, code) = bytes.split_at_checked(16)?;
        Some(Self { id: Uuid::from_slice(id).ok()?, code: code.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_true_of_its_invitation_its_generation_and_its_key() {
        let tokens = InvitationTokens::new(&"secret".into());
        let id = Uuid::from_u128(7);
        let claim = Claim::read(&tokens.of(id, 1)).unwrap();
        assert_eq!(claim.id, id);
        assert!(tokens.confirm(&claim, 1));
        assert!(!tokens.confirm(&claim, 2));
        assert!(!InvitationTokens::new(&"other".into()).confirm(&claim, 1));
        let other = Claim { id: Uuid::from_u128(8), ..claim };
        assert!(!tokens.confirm(&other, 1));
    }

    #[test]
    fn nonsense_claims_nothing_that_is_true() {
        let tokens = InvitationTokens::new(&"secret".into());
        let whole = tokens.of(Uuid::from_u128(7), 1);
        for text in ["", "dfi_", "dfs_AAAA", "dfi_AAAA", whole.get(..40).unwrap()] {
            let is_true = Claim::read(text).is_some_and(|claim| tokens.confirm(&claim, 1));
            assert!(!is_true, "{text}");
        }
    }
}
