//! Recovery codes of sixty bits each, derived from the id of their set under a key of this service, so that a retry of the
//! call that created them shows the same codes. Stored is only their HMAC under the factor's encrypted secret.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use shared::config::DerivationOptions;
use shared::error::{Error, Result};
use shared::keys::DerivedKey;
use uuid::Uuid;

use super::totp::SharedSecret;

pub const CODES_PER_SET: usize = 10;
/// 5 bits each.
const LETTERS: usize = 12;
const LETTERS_PER_GROUP: usize = 4;
/// Crockford's base 32, in which no letter looks like another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Separates these hashes from other uses of the secret.
const HMAC_LABEL: &[u8] = b"recovery code\0";

/// A recovery code without hyphens.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

/// Derives sets of codes; cheap to clone.
#[derive(Clone)]
pub struct RecoveryKey(Hmac<Sha256>);

impl RecoveryKey {
    /// The key is derived from the service's secret.
    pub fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "recovery codes").current)
    }

    pub fn codes(&self, id: Uuid) -> [RecoveryCode; CODES_PER_SET] {
        std::array::from_fn(|number| {
            let code = self.0.clone().chain_update(id.as_bytes()).chain_update(number.to_be_bytes());
            // Five bits of each byte: the alphabet has as many letters.
            let letter = |byte: u8| ALPHABET.get(usize::from(byte % 32)).copied().map_or('0', char::from);
            RecoveryCode(code.finalize().into_bytes().into_iter().take(LETTERS).map(letter).collect())
        })
    }
}

impl RecoveryCode {
    /// Accepts the variants that people type; `None` if it cannot be a code.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|letter| !matches!(letter, '-' | ' '));
        let letters = letters.map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        });
        let code: String = letters.take(LETTERS + 1).collect();
        let is_code = code.len() == LETTERS && code.bytes().all(|letter| ALPHABET.contains(&letter));
        is_code.then_some(Self(code))
    }

    /// In groups, as `ABCD-EFGH-JKMN`.
    pub fn to_text(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        letters
            .chunks(LETTERS_PER_GROUP)
            .map(|group| group.iter().collect::<String>())
            .collect::<Vec<_>>()
            .join("-")
    }

    /// The hash that is stored. Does not fail: HMAC takes keys of any length.
    pub fn hash(&self, secret: &SharedSecret) -> Result<Vec<u8>> {
        let hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(Error::internal)?;
        Ok(hmac.chain_update(HMAC_LABEL).chain_update(&self.0).finalize().into_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_parsed_as_it_is_shown_and_as_people_type_it() {
        let [code, ..] = RecoveryKey::new(&"secret".into()).codes(Uuid::from_u128(1));
        assert_eq!(code.to_text().len(), 14);
        assert!(RecoveryCode::parse(&code.to_text()) == Some(code.clone()));
        assert!(RecoveryCode::parse(&format!(" {} ", code.0.to_lowercase())) == Some(code));
        assert!(RecoveryCode::parse("oil0-OIL1-ABCD") == Some(RecoveryCode("01100111ABCD".to_owned())));
        for malformed in ["", "ABCD-EFGH", "ABCD-EFGH-JKMNP", "ABCD-EFGH-JKM!", "UUUU-UUUU-UUUU"] {
            assert!(RecoveryCode::parse(malformed).is_none(), "{malformed}");
        }
    }

    #[test]
    fn codes_of_a_set_differ_and_their_hashes_depend_on_the_secret() {
        let (key, id) = (RecoveryKey::new(&"secret".into()), Uuid::from_u128(1));
        let codes = key.codes(id);
        let texts: std::collections::HashSet<_> = codes.iter().map(RecoveryCode::to_text).collect();
        assert_eq!(texts.len(), CODES_PER_SET);
        assert!(codes == key.codes(id));
        assert!(
            codes != key.codes(Uuid::from_u128(2)) && codes != RecoveryKey::new(&"other".into()).codes(id)
        );
        let (one, other) = (SharedSecret::random(), SharedSecret::random());
        let [first, ..] = codes;
        assert_eq!(first.hash(&one).unwrap(), first.hash(&one).unwrap());
        assert_ne!(first.hash(&one).unwrap(), first.hash(&other).unwrap());
    }
}
