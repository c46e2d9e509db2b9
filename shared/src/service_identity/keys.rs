//! The keys of principals: Ed25519 (RFC 8032), the private one in PEM (PKCS #8, RFC 8410), the public ones in a list.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

/// Bytes of a public key, and of the random value that a private key is made of.
pub const KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// The longest name of a principal, in bytes.
pub const MAX_NAME_BYTES: usize = 63;
/// What stands before the 32 bytes of the key in PKCS #8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The private key of a principal. Cheap to clone.
#[derive(Clone)]
pub struct PrivateKey(Arc<Ed25519KeyPair>);

impl PrivateKey {
    /// The PEM file of a key that is made of these random bytes.
    pub fn pem_of(bytes: &[u8; KEY_BYTES]) -> String {
        let der = [&PKCS8_PREFIX[..], bytes].concat();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
    }

    /// The public key, in base64.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key())
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        // Ed25519 signatures have 64 bytes; the type does not know that.
        signature.iter_mut().zip(self.0.sign(message).as_ref()).for_each(|(to, from)| *to = *from);
        signature
    }
}

impl FromStr for PrivateKey {
    type Err = &'static str;

    fn from_str(pem: &str) -> Result<Self, Self::Err> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let pair = der.ok().and_then(|der| {
            // What openssl writes has no public key in it to compare with.
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok()
        });
        pair.map(|pair| Self(Arc::new(pair)))
            .ok_or("is not a private Ed25519 key in PEM, as `openssl genpkey -algorithm ed25519` makes it")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// The public keys of all principals. A name has several while its key is being changed. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrincipalKeys(Arc<BTreeMap<String, Vec<[u8; KEY_BYTES]>>>);

impl PrincipalKeys {
    /// Whether `signature` is one of `message` under a key of the principal `name`.
    pub fn verify(&self, name: &str, message: &[u8], signature: &[u8]) -> bool {
        self.0
            .get(name)
            .into_iter()
            .flatten()
            .any(|key| UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok())
    }

    /// Whether this is a key of the principal.
    pub fn knows(&self, name: &str, key: &PrivateKey) -> bool {
        self.0.get(name).into_iter().flatten().any(|known| known == key.0.public_key().as_ref())
    }
}

impl FromStr for PrincipalKeys {
    type Err = String;

    /// `name:key` pairs between commas or white space, each key 32 bytes in base64.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys: BTreeMap<String, Vec<[u8; KEY_BYTES]>> = BTreeMap::new();
        for pair in text.split([',', ' ', '\n', '\r', '\t']).filter(|pair| !pair.is_empty()) {
            let (name, key) = pair.split_once(':').ok_or("must be a list of `name:key`")?;
            if !is_name(name) {
                return Err(format!("`{name}` is not a name: letters, digits and hyphens"));
            }
            let key = STANDARD.decode(key).ok().and_then(|bytes| bytes.try_into().ok());
            let key = key.ok_or_else(|| format!("the key of {name} is not {KEY_BYTES} bytes in base64"))?;
            keys.entry(name.to_owned()).or_default().push(key);
        }
        if keys.is_empty() {
            return Err("names no key".to_owned());
        }
        Ok(Self(Arc::new(keys)))
    }
}

/// Whether this can be the name of a principal.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: the empty message.
    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(seed, &mut bytes).unwrap();
        let key: PrivateKey = PrivateKey::pem_of(&bytes).parse().unwrap();
        assert_eq!(
            hex::encode(STANDARD.decode(key.public_key()).unwrap()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert!(
            hex::encode(key.sign(b""))
                .starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065")
        );
    }

    /// Made by `openssl genpkey -algorithm ed25519`, and its public key by
    /// `openssl pkey -pubout -outform DER | tail -c 32 | base64`.
    #[test]
    fn a_key_of_openssl_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIARXSiDqipl8xkLJ1cZAX1FbdPuaEmAcedp6EtGQ4YIp\n\
                   -----END PRIVATE KEY-----";
        let key: PrivateKey = pem.parse().unwrap();
        assert_eq!(key.public_key(), "JahmlhL7awba/vCzcBqXOeGmUnYL0nuxLrzgDhQnLJ4=");
        assert_eq!(format!("{key:?}"), "[redacted]");
        assert!("hunter2".parse::<PrivateKey>().is_err());
    }

    #[test]
    fn while_a_key_is_changed_both_are_accepted_and_then_only_the_new_one() {
        let [old, new]: [PrivateKey; 2] = [1, 2].map(|byte| PrivateKey::pem_of(&[byte; 32]).parse().unwrap());
        let both: PrincipalKeys =
            format!("task:{},\n task:{}\n", old.public_key(), new.public_key()).parse().unwrap();
        let after: PrincipalKeys = format!("task:{}", new.public_key()).parse().unwrap();
        for (keys, key, expected) in [(&both, &old, true), (&both, &new, true), (&after, &old, false)] {
            assert_eq!(keys.verify("task", b"text", &key.sign(b"text")), expected);
            assert_eq!(keys.knows("task", key), expected);
        }
        assert!(!both.verify("project", b"text", &new.sign(b"text")));
        assert!(!both.verify("task", b"another", &new.sign(b"text")));
    }

    #[test]
    fn a_malformed_list_is_refused() {
        let key = STANDARD.encode([0; 32]);
        for text in ["", ",", "task", "task:", "task:AAAA", &format!("a|b:{key}"), &format!(":{key}")] {
            assert!(text.parse::<PrincipalKeys>().is_err(), "{text}");
        }
    }
}
