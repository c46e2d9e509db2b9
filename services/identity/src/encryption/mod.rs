//! Encryption of personal data at rest, under keys that the database never sees.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random nonce. A ciphertext names its key and is bound to its
//! column and user: a copy in another row or column cannot be decrypted. As text:
//! `encrypted:<key id>.<base64url of nonce and ciphertext>`.

mod keys;
mod rotation;
mod rpc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use rand::RngCore as _;
use shared::error::{Error, Result};
use uuid::Uuid;

pub use keys::{KeyRing, KeyRingOptions};

const NONCE_BYTES: usize = 24;
const PREFIX: &str = "encrypted:";

pub const FIRST_NAME: &str = "users.first_name";
pub const LAST_NAME: &str = "users.last_name";
pub const LOCATION: &str = "user_profiles.location";
pub const TOTP_SECRET: &str = "user_second_factors.totp_secret";

/// The place that a ciphertext is bound to.
#[derive(Clone, Copy, Debug)]
pub struct AssociatedData {
    /// Table and column, as `users.first_name`.
    column: &'static str,
    user_id: Uuid,
}

impl AssociatedData {
    pub const fn new(column: &'static str, user_id: Uuid) -> Self {
        Self { column, user_id }
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.column.as_bytes(), b"\0", self.user_id.as_bytes()].concat()
    }
}

/// The text of an encrypted column.
#[derive(Clone, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct EncryptedText(String);

impl FromSql<Text, Pg> for EncryptedText {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Pg>>::from_sql(value).map(Self)
    }
}

impl ToSql<Text, Pg> for EncryptedText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <String as ToSql<Text, Pg>>::to_sql(&self.0, out)
    }
}

impl KeyRing {
    /// Encrypts a text under the current key.
    ///
    /// # Errors
    /// `INTERNAL` when the text is too long for the cipher (256 GiB).
    pub fn encrypt(&self, associated_data: AssociatedData, text: &str) -> Result<EncryptedText> {
        let (id, cipher) = self.current();
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: &associated_data.to_bytes() };
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("a text could not be encrypted"))?;
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &ciphertext].concat());
        Ok(EncryptedText(format!("{PREFIX}{id}.{body}")))
    }

    /// Decrypts what [`Self::encrypt`] returned for the same place.
    ///
    /// # Errors
    /// `INTERNAL` when the key is missing, or the text is not encrypted, damaged or from another place.
    pub fn decrypt(
        &self,
        associated_data: AssociatedData,
        EncryptedText(text): &EncryptedText,
    ) -> Result<String> {
        let column = associated_data.column;
        let malformed = || Error::internal(format!("{column} holds no text that was encrypted for it"));
        let (id, body) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or_else(malformed)?;
        let unknown_key = || Error::internal(format!("{column} is encrypted under the unknown key `{id}`"));
        let cipher = self.get(id).ok_or_else(unknown_key)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| malformed())?;
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE_BYTES>().ok_or_else(malformed)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data.to_bytes() };
        let decrypted = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| malformed())?;
        String::from_utf8(decrypted).map_err(|_| malformed())
    }

    /// [`Self::encrypt`] for a value that may be absent.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn encrypt_optional(
        &self,
        associated_data: AssociatedData,
        text: Option<&str>,
    ) -> Result<Option<EncryptedText>> {
        text.map(|text| self.encrypt(associated_data, text)).transpose()
    }

    /// [`Self::decrypt`] for a value that may be absent.
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn decrypt_optional(
        &self,
        associated_data: AssociatedData,
        text: Option<&EncryptedText>,
    ) -> Result<Option<String>> {
        text.map(|text| self.decrypt(associated_data, text)).transpose()
    }

    /// The prefix of texts under the current key.
    fn current_prefix(&self) -> String {
        format!("{PREFIX}{}.", self.current().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: AssociatedData = AssociatedData::new(FIRST_NAME, Uuid::from_u128(1));

    fn ring(keys: &str) -> KeyRing {
        KeyRing::parse(keys).unwrap()
    }

    fn key(byte: u8) -> String {
        URL_SAFE_NO_PAD.encode([byte; 32])
    }

    #[test]
    fn a_text_is_decrypted_only_in_the_place_it_was_encrypted_for() {
        let ring = ring(&format!("a:{}", key(1)));
        let encrypted = ring.encrypt(PLACE, "Ольга").unwrap();
        assert!(encrypted.0.starts_with("encrypted:a.") && !encrypted.0.contains("Ольга"));
        assert_eq!(ring.decrypt(PLACE, &encrypted).unwrap(), "Ольга");
        assert_ne!(encrypted, ring.encrypt(PLACE, "Ольга").unwrap());
        assert!(ring.decrypt(AssociatedData { user_id: Uuid::from_u128(2), ..PLACE }, &encrypted).is_err());
        assert!(ring.decrypt(AssociatedData { column: LAST_NAME, ..PLACE }, &encrypted).is_err());
    }

    #[test]
    fn former_keys_decrypt_and_the_first_encrypts() {
        let former = ring(&format!("a:{}", key(1)));
        let rotated = ring(&format!("b:{},a:{}", key(2), key(1)));
        let encrypted = former.encrypt(PLACE, "Olga").unwrap();
        assert_eq!(rotated.decrypt(PLACE, &encrypted).unwrap(), "Olga");
        assert!(!encrypted.0.starts_with(&rotated.current_prefix()));
        assert!(rotated.encrypt(PLACE, "Olga").unwrap().0.starts_with(&rotated.current_prefix()));
        assert!(ring(&format!("b:{}", key(2))).decrypt(PLACE, &encrypted).is_err());
    }

    #[test]
    fn a_changed_text_is_not_decrypted() {
        let ring = ring(&format!("a:{}", key(1)));
        let EncryptedText(encrypted) = ring.encrypt(PLACE, "Olga").unwrap();
        let changed = format!("{}A", encrypted.strip_suffix(|_: char| true).unwrap());
        let damaged =
            ["", "Olga", "encrypted:", "encrypted:a", "encrypted:a.", "encrypted:a.AAAA", "encrypted:b.AAAA"];
        for damaged in damaged.into_iter().chain([format!("{encrypted}AAAA").as_str(), &changed]) {
            let text = EncryptedText(damaged.to_owned());
            assert!(damaged == encrypted || ring.decrypt(PLACE, &text).is_err(), "{damaged}");
        }
    }

    #[test]
    fn the_longest_values_fit_their_columns() {
        let ring = ring(&format!("{}:{}", "k".repeat(16), key(1)));
        for (chars, column) in [(100, 640), (255, 1500)] {
            let encrypted = ring.encrypt(PLACE, &"\u{10ffff}".repeat(chars)).unwrap();
            assert!(encrypted.0.len() <= column, "{} characters", encrypted.0.len());
        }
    }
}
