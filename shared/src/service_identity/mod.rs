//! Service principals: how the services of a suite, its operators and trusted back ends prove who calls.
//!
//! Each principal has a key pair of its own and is known to the services by its public key alone, so that what one
//! service knows does not make it another one, nor an operator. Every call carries
//! `authorization: Service <name>.<unix seconds>.<nonce>.<signature>`: an Ed25519 signature (RFC 8032) over name, time,
//! nonce and path. It is accepted once, within a minute of the receiver's clock. It does not cover the body: the server
//! accepts it only where nobody can change what is sent, see
//! [`Authentication`](crate::authentication::Authentication).

mod keys;
mod replays;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorReason, Result};

pub use keys::{KEY_BYTES, MAX_NAME_BYTES, PrincipalKeys, PrivateKey};
pub use replays::CLOCK_TOLERANCE_SECONDS;

/// The scheme of the `authorization` header (RFC 9110, section 11.1).
pub const SCHEME: &str = "Service";
/// Random bytes of a nonce.
const NONCE_BYTES: usize = 16;
/// What the signed text begins with, so that a signature for another purpose is none for a call.
const CONTEXT: &str = "dafnck-call";

/// Signs a principal's own calls.
#[derive(Clone, Debug)]
pub struct ServiceSigner {
    name: String,
    key: PrivateKey,
}

impl ServiceSigner {
    /// A signer for the principal `name` (letters, digits, `-`), under its key.
    pub fn new(name: impl Into<String>, key: PrivateKey) -> Self {
        Self { name: name.into(), key }
    }

    /// The value of the `authorization` header for one call of `path` (as `/package.Service/Method`) now.
    pub fn authorization(&self, path: &str) -> String {
        self.authorization_at(path, unix_seconds(), rand::random())
    }

    fn authorization_at(&self, path: &str, seconds: u64, nonce: [u8; NONCE_BYTES]) -> String {
        let nonce = hex::encode(nonce);
        let signature = self.key.sign(&signed_text(&self.name, seconds, &nonce, path));
        format!("{SCHEME} {}.{seconds}.{nonce}.{}", self.name, hex::encode(signature))
    }
}

/// The principal whose `credentials` (the header's value after the scheme) sign a call of `path`. The same credentials
/// are accepted once.
///
/// # Errors
/// `UNAUTHENTICATED` with `SESSION_INVALID` when they are malformed, too old, used, or not signed by that principal.
pub fn verify(keys: &PrincipalKeys, credentials: &str, path: &str) -> Result<String> {
    let (name, signature) = verify_at(keys, credentials, path, unix_seconds())?;
    if replays::is_new(&signature) { Ok(name) } else { Err(CREDENTIALS_INVALID) }
}

fn verify_at(keys: &PrincipalKeys, credentials: &str, path: &str, now: u64) -> Result<(String, Vec<u8>)> {
    let (name, seconds, nonce, signature) = parse(credentials).ok_or(CREDENTIALS_INVALID)?;
    let is_current = now.abs_diff(seconds) <= CLOCK_TOLERANCE_SECONDS;
    if is_current && keys.verify(name, &signed_text(name, seconds, nonce, path), &signature) {
        return Ok((name.to_owned(), signature));
    }
    Err(CREDENTIALS_INVALID)
}

/// A service that has shown no certificate where services have to.
pub(crate) const NOT_CERTIFIED: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "services must use a connection with a client certificate",
};
/// A service that calls over a network on which its message could be changed.
pub(crate) const NOT_PROTECTED: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "services must use TLS, the loopback or a network that the server names",
};
const CREDENTIALS_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "the service credentials are malformed, expired, used before or signed with an unknown key",
};

fn parse(credentials: &str) -> Option<(&str, u64, &str, Vec<u8>)> {
    let mut parts = credentials.splitn(4, '.');
    let (name, seconds, nonce, signature) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_dated = seconds.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let has_nonce = nonce.len() == 2 * NONCE_BYTES && is_hex(nonce);
    (keys::is_name(name) && is_dated && has_nonce && is_hex(signature)).then_some(())?;
    Some((name, seconds.parse().ok()?, nonce, hex::decode(signature).ok()?))
}

fn signed_text(name: &str, seconds: u64, nonce: &str, path: &str) -> Vec<u8> {
    format!("{CONTEXT}|{name}|{seconds}|{nonce}|{path}").into_bytes()
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/dafnck.identity.backend.v1.UserLookupService/ResolveUsers";
    const NOW: u64 = 1_800_000_000;
    const NAMES: [&str; 3] = ["task", "project", "operator"];

    fn key_of(name: &str) -> PrivateKey {
        let byte = name.bytes().fold(0, u8::wrapping_add);
        PrivateKey::pem_of(&[byte; KEY_BYTES]).parse().unwrap()
    }

    fn keys() -> PrincipalKeys {
        NAMES.map(|name| format!("{name}:{}", key_of(name).public_key())).join(",").parse().unwrap()
    }

    fn credentials(signer: &ServiceSigner) -> String {
        signer.authorization_at(PATH, NOW, [7; 16]).strip_prefix("Service ").unwrap().to_owned()
    }

    fn task() -> ServiceSigner {
        ServiceSigner::new("task", key_of("task"))
    }

    #[test]
    fn a_signed_call_is_accepted_within_the_tolerance() {
        for now in [NOW - 60, NOW, NOW + 60] {
            assert_eq!(verify_at(&keys(), &credentials(&task()), PATH, now).unwrap().0, "task");
        }
        for now in [NOW - 61, NOW + 61] {
            assert!(verify_at(&keys(), &credentials(&task()), PATH, now).is_err());
        }
    }

    #[test]
    fn a_signature_is_accepted_once() {
        let authorization = task().authorization(PATH);
        let credentials = authorization.strip_prefix("Service ").unwrap();
        assert_eq!(verify(&keys(), credentials, PATH).unwrap(), "task");
        assert!(verify(&keys(), credentials, PATH).is_err());
        let upper = credentials.to_uppercase().replace("TASK", "task");
        assert!(verify(&keys(), &upper, PATH).is_err());
    }

    #[test]
    fn the_key_of_one_principal_signs_for_no_other() {
        for name in ["project", "operator", "operator-olga", "identity"] {
            let forged = credentials(&ServiceSigner::new(name, key_of("task")));
            assert!(verify_at(&keys(), &forged, PATH, NOW).is_err(), "{name}");
        }
    }

    #[test]
    fn another_path_name_time_or_nonce_is_refused() {
        let good = credentials(&task());
        assert!(verify_at(&keys(), &good, "/x/Y", NOW).is_err());
        for (from, to) in [("task", "project"), ("1800000000", "1800000001"), ("0707", "0708")] {
            assert!(verify_at(&keys(), &good.replacen(from, to, 1), PATH, NOW).is_err(), "{to}");
        }
    }

    #[test]
    fn malformed_credentials_are_refused() {
        let nonce = "00".repeat(16);
        for text in [
            "",
            "...",
            "task",
            "task.1800000000",
            &format!("task.1800000000.{nonce}"),
            &format!("task.1800000000.{nonce}."),
            &format!("task.1800000000.{nonce}.zz"),
            "task.1800000000..00",
            &format!("a|b.1.{nonce}.00"),
            &format!("task.+1.{nonce}.00"),
        ] {
            assert!(verify_at(&keys(), text, PATH, NOW).is_err(), "{text}");
        }
    }

    /// The clients in other languages check their signatures against the same file.
    #[test]
    fn signatures_match_the_vectors_of_the_clients() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../proto/clients/signature_vectors.json")).unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let [name, private_key, public_key, nonce, path, authorization] =
                ["name", "private_key", "public_key", "nonce", "path", "authorization"]
                    .map(|key| vector[key].as_str().unwrap());
            let seconds = vector["unix_seconds"].as_u64().unwrap();
            let mut bytes = [0; NONCE_BYTES];
            hex::decode_to_slice(nonce, &mut bytes).unwrap();
            let signer = ServiceSigner::new(name, private_key.parse().unwrap());
            assert_eq!(signer.authorization_at(path, seconds, bytes), authorization);
            let keys: PrincipalKeys = format!("{name}:{public_key}").parse().unwrap();
            let credentials = authorization.strip_prefix("Service ").unwrap();
            assert_eq!(verify_at(&keys, credentials, path, seconds).unwrap().0, name);
        }
    }
}
