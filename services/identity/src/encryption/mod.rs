//! Personal data at rest: sealed by this service under keys that the database never sees.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random nonce. A sealed text names its key and is bound to
//! its place, so that one copied into another row or column does not open. As text:
//! `sealed:<key id>.<base64url>`.
//!
//! Columns that are older than encryption also hold text in clear, which begins neither with `sealed:` nor with
//! `clear:`. The migration that widened them put `clear:` before what did, so what a user once called themselves is
//! never taken for a sealed text.

mod keys;
mod rotation;
pub(crate) mod rpc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use rand::RngCore as _;
use shared::error::{Error, Result};
use uuid::Uuid;

pub use keys::{KeyRing, KeyRingOptions};
pub use rotation::seal_what_is_clear;
pub use rpc::KeyApi;

const NONCE_BYTES: usize = 24;
/// What sealed texts begin with.
const SEALED: &str = "sealed:";
/// What stands before a text in clear that would look like another.
const CLEAR: &str = "clear:";

/// Where a sealed text is: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Table and column, as `users.first_name`.
    pub column: &'static str,
    /// The row's owner.
    pub owner: Uuid,
}

/// A given name.
pub const FIRST_NAME: &str = "users.first_name";
/// A family name.
pub const LAST_NAME: &str = "users.last_name";
/// A place on earth.
pub const LOCATION: &str = "user_profiles.location";

/// The secret that an account shares with an authenticator app.
pub const TOTP_SECRET: &str = "user_second_factors.totp_secret";

impl Place {
    /// This column in a row of this user.
    pub const fn of(column: &'static str, owner: Uuid) -> Self {
        Self { column, owner }
    }

    fn bytes(self) -> Vec<u8> {
        [self.column.as_bytes(), b"\0", self.owner.as_bytes()].concat()
    }
}

/// A text as its column holds it.
#[derive(Clone, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Sealed(String);

impl FromSql<Text, Pg> for Sealed {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Pg>>::from_sql(value).map(Self)
    }
}

impl ToSql<Text, Pg> for Sealed {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <String as ToSql<Text, Pg>>::to_sql(&self.0, out)
    }
}

impl KeyRing {
    /// Seals a text under the current key.
    ///
    /// # Errors
    /// `INTERNAL` when the text is too long for the cipher (256 GiB).
    pub fn seal(&self, place: Place, text: &str) -> Result<Sealed> {
        let (id, cipher) = self.current();
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let sealed = encrypt(cipher, nonce, place, text)?;
        Ok(Sealed(format!("{SEALED}{id}.{}", URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))))
    }

    /// Opens what [`Self::seal`] made for this place.
    ///
    /// # Errors
    /// `INTERNAL` when the key is missing or the text is in clear, damaged or from another place.
    pub fn open(&self, place: Place, Sealed(text): &Sealed) -> Result<String> {
        let malformed = || Error::internal(format!("{} holds no sealed text", place.column));
        let (id, body) =
            text.strip_prefix(SEALED).and_then(|rest| rest.split_once('.')).ok_or_else(malformed)?;
        let cipher = self.get(id).ok_or_else(|| {
            Error::internal(format!("{} is sealed under the unknown key `{id}`", place.column))
        })?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| malformed())?;
        let (nonce, body) = body.split_first_chunk::<NONCE_BYTES>().ok_or_else(malformed)?;
        let payload = Payload { msg: body, aad: &place.bytes() };
        let opened = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| malformed())?;
        String::from_utf8(opened).map_err(|_| malformed())
    }

    /// As [`Self::open`], in a column that is older than encryption: a text in clear is answered as it is.
    ///
    /// # Errors
    /// `INTERNAL` when the key is missing or a sealed text is damaged or from another place.
    pub fn open_or_clear(&self, place: Place, text: &Sealed) -> Result<String> {
        if text.0.starts_with(SEALED) {
            return self.open(place, text);
        }
        Ok(text.0.strip_prefix(CLEAR).unwrap_or(&text.0).to_owned())
    }

    /// [`Self::seal`] for what may be missing.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_some(&self, place: Place, text: Option<&str>) -> Result<Option<Sealed>> {
        text.map(|text| self.seal(place, text)).transpose()
    }

    /// [`Self::open_or_clear`] for what may be missing.
    ///
    /// # Errors
    /// As [`Self::open_or_clear`].
    pub fn open_some(&self, place: Place, text: Option<&Sealed>) -> Result<Option<String>> {
        text.map(|text| self.open_or_clear(place, text)).transpose()
    }

    /// What texts that are sealed under the current key begin with.
    fn current_prefix(&self) -> String {
        format!("{SEALED}{}.", self.current().0)
    }
}

fn encrypt(
    cipher: &XChaCha20Poly1305,
    nonce: [u8; NONCE_BYTES],
    place: Place,
    text: &str,
) -> Result<Vec<u8>> {
    let payload = Payload { msg: text.as_bytes(), aad: &place.bytes() };
    cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::internal("a text could not be sealed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place::of(FIRST_NAME, Uuid::from_u128(1));

    fn ring(keys: &str) -> KeyRing {
        KeyRing::parse(keys).unwrap()
    }

    fn key(byte: u8) -> String {
        URL_SAFE_NO_PAD.encode([byte; 32])
    }

    fn held(text: &str) -> Sealed {
        Sealed(text.to_owned())
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let ring = ring(&format!("a:{}", key(1)));
        let sealed = ring.seal(HERE, "Ольга").unwrap();
        assert!(sealed.0.starts_with("sealed:a.") && !sealed.0.contains("Ольга"));
        assert_eq!(ring.open(HERE, &sealed).unwrap(), "Ольга");
        assert_ne!(sealed, ring.seal(HERE, "Ольга").unwrap());
        assert!(ring.open(Place { owner: Uuid::from_u128(2), ..HERE }, &sealed).is_err());
        assert!(ring.open(Place { column: LAST_NAME, ..HERE }, &sealed).is_err());
    }

    #[test]
    fn former_keys_open_and_the_first_seals() {
        let former = ring(&format!("a:{}", key(1)));
        let rotated = ring(&format!("b:{},a:{}", key(2), key(1)));
        let sealed = former.seal(HERE, "Olga").unwrap();
        assert_eq!(rotated.open(HERE, &sealed).unwrap(), "Olga");
        assert!(!sealed.0.starts_with(&rotated.current_prefix()));
        assert!(rotated.seal(HERE, "Olga").unwrap().0.starts_with(&rotated.current_prefix()));
        assert!(ring(&format!("b:{}", key(2))).open(HERE, &sealed).is_err());
    }

    #[test]
    fn a_changed_text_does_not_open() {
        let ring = ring(&format!("a:{}", key(1)));
        let Sealed(sealed) = ring.seal(HERE, "Olga").unwrap();
        let changed = format!("{}A", sealed.strip_suffix(|_: char| true).unwrap());
        let damaged = ["", "Olga", "sealed:", "sealed:a", "sealed:a.", "sealed:a.AAAA", "sealed:b.AAAA"];
        for damaged in damaged.into_iter().chain([format!("{sealed}AAAA").as_str(), &changed]) {
            assert!(damaged == sealed || ring.open(HERE, &held(damaged)).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_text_in_clear_is_read_where_it_may_be_and_nothing_damaged_is() {
        let ring = ring(&format!("a:{}", key(1)));
        let read = |text: &str| ring.open_or_clear(HERE, &held(text));
        for (text, expected) in
            [("Olga", "Olga"), ("a.b", "a.b"), ("clear:sealed:a.b", "sealed:a.b"), ("", "")]
        {
            assert_eq!(read(text).unwrap(), expected);
        }
        assert!(read("sealed:a.b").is_err() && read("sealed:").is_err());
    }

    /// The migration `encryption` makes room for this much.
    #[test]
    fn the_longest_values_fit_their_columns() {
        let ring = ring(&format!("{}:{}", "k".repeat(16), key(1)));
        for (chars, column) in [(100, 640), (255, 1500)] {
            let sealed = ring.seal(HERE, &"\u{10ffff}".repeat(chars)).unwrap();
            assert!(sealed.0.len() <= column, "{} characters", sealed.0.len());
        }
    }
}
