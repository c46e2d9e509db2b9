//! Personal data at rest: sealed by this service under keys that the database never sees.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random nonce. A sealed text names its key and is bound to
//! its place, so that one copied into another row or column does not open. As text: `<key id>.<base64url>`.

mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::RngCore as _;
use shared::error::{Error, Result};
use uuid::Uuid;

pub use keys::{KeyRing, KeyRingOptions};

const NONCE_BYTES: usize = 24;

/// Where a sealed text is: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Table and column, as `users.first_name`.
    pub column: &'static str,
    /// The row's owner.
    pub owner: Uuid,
}

impl Place {
    fn bytes(self) -> Vec<u8> {
        [self.column.as_bytes(), b"\0", self.owner.as_bytes()].concat()
    }
}

impl KeyRing {
    /// Seals a text under the current key.
    ///
    /// # Errors
    /// `INTERNAL` when the text is too long for the cipher (256 GiB).
    pub fn seal(&self, place: Place, text: &str) -> Result<String> {
        let (id, cipher) = self.current();
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let sealed = encrypt(cipher, nonce, place, text)?;
        Ok(format!("{id}.{}", URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`Self::seal`] made for this place.
    ///
    /// # Errors
    /// `INTERNAL` when the key is missing or the text is damaged or from another place.
    pub fn open(&self, place: Place, sealed: &str) -> Result<String> {
        let malformed = || Error::internal(format!("{} holds no sealed text", place.column));
        let (id, body) = sealed.split_once('.').ok_or_else(malformed)?;
        let cipher = self.get(id).ok_or_else(|| {
            Error::internal(format!("{} is sealed under the unknown key `{id}`", place.column))
        })?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| malformed())?;
        let (nonce, body) = body.split_first_chunk::<NONCE_BYTES>().ok_or_else(malformed)?;
        let payload = Payload { msg: body, aad: &place.bytes() };
        let opened = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| malformed())?;
        String::from_utf8(opened).map_err(|_| malformed())
    }

    /// Whether a sealed text is under the current key.
    pub fn is_current(&self, sealed: &str) -> bool {
        sealed.split_once('.').is_some_and(|(id, _)| id == self.current().0)
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

    const HERE: Place = Place { column: "users.first_name", owner: Uuid::from_u128(1) };

    fn ring(keys: &str) -> KeyRing {
        KeyRing::parse(keys).unwrap()
    }

    fn key(byte: u8) -> String {
        URL_SAFE_NO_PAD.encode([byte; 32])
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let ring = ring(&format!("a:{}", key(1)));
        let sealed = ring.seal(HERE, "Ольга").unwrap();
        assert!(sealed.starts_with("a.") && !sealed.contains("Ольга"));
        assert_eq!(ring.open(HERE, &sealed).unwrap(), "Ольга");
        assert_ne!(sealed, ring.seal(HERE, "Ольга").unwrap());
        assert!(ring.open(Place { owner: Uuid::from_u128(2), ..HERE }, &sealed).is_err());
        assert!(ring.open(Place { column: "users.last_name", ..HERE }, &sealed).is_err());
    }

    #[test]
    fn former_keys_open_and_the_first_seals() {
        let former = ring(&format!("a:{}", key(1)));
        let rotated = ring(&format!("b:{},a:{}", key(2), key(1)));
        let sealed = former.seal(HERE, "Olga").unwrap();
        assert_eq!(rotated.open(HERE, &sealed).unwrap(), "Olga");
        assert!(!rotated.is_current(&sealed));
        assert!(rotated.is_current(&rotated.seal(HERE, "Olga").unwrap()));
        assert!(ring(&format!("b:{}", key(2))).open(HERE, &sealed).is_err());
    }

    #[test]
    fn a_changed_text_does_not_open() {
        let ring = ring(&format!("a:{}", key(1)));
        let sealed = ring.seal(HERE, "Olga").unwrap();
        let changed = format!("{}A", sealed.strip_suffix(|_: char| true).unwrap());
        for damaged in ["", "a", "a.", "a.AAAA", "b.AAAA", &format!("{sealed}AAAA"), &changed] {
            assert!(damaged == sealed || ring.open(HERE, damaged).is_err(), "{damaged}");
        }
    }
}
