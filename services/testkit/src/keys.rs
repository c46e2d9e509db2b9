//! The keys of the principals of a suite under test. Each follows from the principal's name.

use local_servers::suite::NAMES;
use local_servers::suite_keys::{ServiceKeys, SuiteKeys};
use shared::service_identity::{KEY_BYTES, PrivateKey, ServiceSigner};

/// Those who are known beside the services. The last two are of no kind that a method is open to.
const OUTSIDE_PRINCIPALS: [&str; 7] =
    ["operator", "operator-olga", "operator-eva", "backend", "backend-shop", "operatorx", "tester"];

/// The private key of a principal, in PEM.
pub fn private_key(principal: &str) -> String {
    let mut bytes = [0; KEY_BYTES];
    bytes.iter_mut().zip(principal.bytes().cycle()).for_each(|(byte, letter)| *byte = letter);
    PrivateKey::pem_of(&bytes)
}

/// Signs calls as this principal.
pub fn signer(principal: &str) -> ServiceSigner {
    ServiceSigner::new(principal, private_key(principal).parse().unwrap())
}

/// The public keys of all principals, as the services take them.
pub fn principal_keys() -> String {
    let names = NAMES.into_iter().chain(OUTSIDE_PRINCIPALS);
    let pairs = names.map(|name| {
        let key: PrivateKey = private_key(name).parse().unwrap();
        format!("{name}:{}", key.public_key())
    });
    pairs.collect::<Vec<_>>().join(",")
}

/// What a service derives its tokens from.
pub fn derivation_secret(service: &str) -> String {
    format!("a secret of the tests, long enough, for {service}")
}

pub(crate) fn suite_keys() -> SuiteKeys {
    let keys_of = |service: &str| ServiceKeys {
        private_key: private_key(service).parse().unwrap(),
        derivation_secret: derivation_secret(service).into(),
    };
    SuiteKeys {
        services: NAMES.map(|service| (service.to_owned(), keys_of(service))).into(),
        principal_keys: principal_keys().parse().unwrap(),
    }
}
