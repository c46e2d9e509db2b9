//! Service principals: how the services of a suite, and its operator, prove to each other who calls.
//!
//! Every call carries `authorization: Service <name>.<unix seconds>.<hex HMAC-SHA256>` (RFC 2104 over
//! `name|seconds|path`, keyed by the secret that the suite shares). A signature opens one method for two
//! minutes at most; it does not cover the body, which TLS or the private network protects.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Secret;
use crate::error::{Error, ErrorReason, Result};

/// The scheme of the `authorization` header (RFC 9110, section 11.1).
pub const SCHEME: &str = "Service";
/// How far the clocks of two services may be apart.
pub const CLOCK_TOLERANCE_SECONDS: u64 = 60;
/// The longest name of a principal, in bytes.
pub const MAX_NAME_BYTES: usize = 63;

/// Signs a service's own calls.
#[derive(Clone, Debug)]
pub struct ServiceSigner {
    name: String,
    secret: Secret,
}

impl ServiceSigner {
    /// A signer for the service `name` (letters, digits, `-`), under the secret that the suite shares.
    pub fn new(name: impl Into<String>, secret: Secret) -> Self {
        Self { name: name.into(), secret }
    }

    /// The value of the `authorization` header for a call of `path` (as `/package.Service/Method`) now.
    pub fn authorization(&self, path: &str) -> String {
        self.authorization_at(path, unix_seconds())
    }

    fn authorization_at(&self, path: &str, seconds: u64) -> String {
        let code = code(&self.secret, &self.name, seconds, path)
            .map(|code| code.finalize().into_bytes())
            .unwrap_or_default();
        format!("{SCHEME} {}.{seconds}.{}", self.name, hex::encode(code))
    }
}

/// The principal whose `credentials` (the header's value after the scheme) sign a call of `path`.
///
/// # Errors
/// `UNAUTHENTICATED` with `SESSION_INVALID` when they are malformed, too old, or under another secret.
pub fn verify(secret: &Secret, credentials: &str, path: &str) -> Result<String> {
    verify_at(secret, credentials, path, unix_seconds())
}

fn verify_at(secret: &Secret, credentials: &str, path: &str, now: u64) -> Result<String> {
    let (name, seconds, signature) = parse(credentials).ok_or(CREDENTIALS_INVALID)?;
    if now.abs_diff(seconds) > CLOCK_TOLERANCE_SECONDS {
        return Err(CREDENTIALS_INVALID);
    }
    // `verify_slice` compares in constant time.
    code(secret, name, seconds, path)
        .and_then(|code| code.verify_slice(&signature).ok())
        .map(|()| name.to_owned())
        .ok_or(CREDENTIALS_INVALID)
}

/// A service that has shown no certificate where services have to.
pub(crate) const NOT_CERTIFIED: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "services must use a connection with a client certificate",
};
const CREDENTIALS_INVALID: Error = Error::Unauthenticated {
    reason: ErrorReason::SessionInvalid,
    message: "the service credentials are malformed, expired or signed under another secret",
};

fn parse(credentials: &str) -> Option<(&str, u64, Vec<u8>)> {
    let mut parts = credentials.splitn(3, '.');
    let (name, seconds, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let named = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let dated = seconds.bytes().all(|byte| byte.is_ascii_digit());
    (named && dated).then_some(())?;
    Some((name, seconds.parse().ok()?, hex::decode(signature).ok()?))
}

/// HMAC takes keys of any length, so there always is one; the type does not know that.
fn code(secret: &Secret, name: &str, seconds: u64, path: &str) -> Option<Hmac<Sha256>> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    code.update(format!("{name}|{seconds}|{path}").as_bytes());
    Some(code)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/dafnck.identity.backend.v1.UserLookupService/ResolveUsers";
    const NOW: u64 = 1_800_000_000;

    fn credentials(signer: &ServiceSigner) -> String {
        signer.authorization_at(PATH, NOW).strip_prefix("Service ").unwrap().to_owned()
    }

    fn task() -> ServiceSigner {
        ServiceSigner::new("task", "secret".into())
    }

    #[test]
    fn a_signed_call_is_accepted_within_the_tolerance() {
        for now in [NOW - 60, NOW, NOW + 60] {
            assert_eq!(verify_at(&"secret".into(), &credentials(&task()), PATH, now).unwrap(), "task");
        }
        for now in [NOW - 61, NOW + 61] {
            assert!(verify_at(&"secret".into(), &credentials(&task()), PATH, now).is_err());
        }
    }

    #[test]
    fn another_secret_path_name_or_time_is_refused() {
        let good = credentials(&task());
        assert!(verify_at(&"other".into(), &good, PATH, NOW).is_err());
        assert!(verify_at(&"secret".into(), &good, "/x/Y", NOW).is_err());
        assert!(verify_at(&"secret".into(), &good.replace("task", "project"), PATH, NOW).is_err());
        assert!(verify_at(&"secret".into(), &good.replace("1800000000", "1800000001"), PATH, NOW).is_err());
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "task",
            "task.1800000000",
            "task.1800000000.",
            "task.1800000000.zz",
            "a|b.1.00",
            "task.+1.00",
        ] {
            assert!(verify_at(&"secret".into(), text, PATH, NOW).is_err(), "{text}");
        }
    }

    /// The clients in other languages check their signatures against the same file.
    #[test]
    fn signatures_match_the_vectors_of_the_clients() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../proto/clients/signature_vectors.json")).unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let [name, secret, path, authorization] =
                ["name", "secret", "path", "authorization"].map(|key| vector[key].as_str().unwrap());
            let seconds = vector["unix_seconds"].as_u64().unwrap();
            assert_eq!(
                ServiceSigner::new(name, secret.into()).authorization_at(path, seconds),
                authorization
            );
            let credentials = authorization.strip_prefix("Service ").unwrap();
            assert_eq!(verify_at(&secret.into(), credentials, path, seconds).unwrap(), name);
        }
    }

    /// The code of RFC 4231, test case 2, through the same type that signs.
    #[test]
    fn the_code_is_hmac_sha256() {
        let mut code = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        code.update(b"what do ya want for nothing?");
        assert_eq!(
            hex::encode(code.finalize().into_bytes()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
