//! Recovery codes: sixty bits each, derived from the id of their set under a key of the suite, so that a retry of the
//! call that made them shows the same though they are stored as an HMAC only, under the factor's own secret, which is
//! sealed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use shared::config::Secret;
use shared::error::{Error, Result};
use shared::keys::key_for;
use uuid::Uuid;

use super::totp::SharedSecret;

/// Codes in a set.
pub const CODES: usize = 10;
/// Letters of a code, 5 bits each, and of each group of them.
const LETTERS: usize = 12;
const GROUP: usize = 4;
/// Crockford's base 32: no letter looks like another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Keeps these hashes apart from whatever else is made with the secret.
const LABEL: &[u8] = b"recovery code\0";

/// A recovery code without hyphens.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

/// Derives sets of codes; cheap to clone.
#[derive(Clone)]
pub struct RecoveryKey(Hmac<Sha256>);

impl RecoveryKey {
    /// Under this secret, through a key of its own.
    pub fn new(secret: &Secret) -> Self {
        Self(key_for(secret, "recovery codes"))
    }

    /// The set with this id.
    pub fn set(&self, id: Uuid) -> [RecoveryCode; CODES] {
        std::array::from_fn(|number| {
            let code = self.0.clone().chain_update(id.as_bytes()).chain_update(number.to_be_bytes());
            // Five bits of each byte: the alphabet has as many emails.
            let letter = |byte: u8| ALPHABET.get(usize::from(byte % 32)).copied().map_or('0', char::from);
            RecoveryCode(code.finalize().into_bytes().into_iter().take(LETTERS).map(letter).collect())
        })
    }
}

impl RecoveryCode {
    /// What somebody typed; `None` if it can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let emails = text.chars().filter(|letter| !matches!(letter, '-' | ' '));
        let emails = emails.map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        });
        let code: String = emails.take(LETTERS + 1).collect();
        let is_code = code.len() == LETTERS && code.bytes().all(|letter| ALPHABET.contains(&letter));
        is_code.then_some(Self(code))
    }

    /// As it is shown.
    pub fn to_text(&self) -> String {
        let emails: Vec<char> = self.0.chars().collect();
        emails.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// As it is stored.
    ///
    /// # Errors
    /// None: HMAC takes keys of any length.
    pub fn hash(&self, secret: &SharedSecret) -> Result<Vec<u8>> {
        let hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
        Ok(hmac.chain_update(LABEL).chain_update(&self.0).finalize().into_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_it_is_shown_and_as_people_type() {
        let [code, ..] = RecoveryKey::new(&"secret".into()).set(Uuid::from_u128(1));
        assert_eq!(code.to_text().len(), 14);
        assert!(RecoveryCode::parse(&code.to_text()) == Some(code.clone()));
        assert!(RecoveryCode::parse(&format!(" {} ", code.0.to_lowercase())) == Some(code));
        assert!(RecoveryCode::parse("oil0-OIL1-ABCD") == Some(RecoveryCode("01100111ABCD".to_owned())));
        for nonsense in ["", "ABCD-EFGH", "ABCD-EFGH-JKMNP", "ABCD-EFGH-JKM!", "UUUU-UUUU-UUUU"] {
            assert!(RecoveryCode::parse(nonsense).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn a_set_has_different_codes_and_a_hash_follows_on_the_secret() {
        let (key, id) = (RecoveryKey::new(&"secret".into()), Uuid::from_u128(1));
        let set = key.set(id);
        let texts: std::collections::HashSet<_> = set.iter().map(RecoveryCode::to_text).collect();
        assert_eq!(texts.len(), CODES);
        assert!(set == key.set(id));
        assert!(set != key.set(Uuid::from_u128(2)) && set != RecoveryKey::new(&"other".into()).set(id));
        let (one, other) = (SharedSecret::random(), SharedSecret::random());
        let [first, ..] = set;
        assert_eq!(first.hash(&one).unwrap(), first.hash(&one).unwrap());
        assert_ne!(first.hash(&one).unwrap(), first.hash(&other).unwrap());
    }
}
