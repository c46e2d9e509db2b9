//! The keys of a suite on one machine.

use std::collections::BTreeMap;

use shared::config::{DerivationOptions, PrincipalOptions, Secret};
use shared::service_identity::{PrincipalKeys, PrivateKey};

/// What each service has for itself, and the public keys that all of them know.
#[derive(Clone, Debug)]
pub struct SuiteKeys {
    /// By name of the service.
    pub services: BTreeMap<String, ServiceKeys>,
    /// Of all principals.
    pub principal_keys: PrincipalKeys,
}

/// What one service has for itself.
#[derive(Clone, Debug)]
pub struct ServiceKeys {
    /// Signs its calls.
    pub private_key: PrivateKey,
    /// What its tokens are derived from.
    pub derivation_secret: Secret,
}

impl SuiteKeys {
    /// The keys of one service.
    ///
    /// # Panics
    /// When there is no service of this name.
    #[allow(clippy::indexing_slicing, reason = "a suite has keys for each of its services")]
    pub(crate) fn options_of(&self, service: &str) -> (PrincipalOptions, DerivationOptions) {
        let keys = &self.services[service];
        let principals = PrincipalOptions {
            service_key: keys.private_key.clone(),
            principal_keys: self.principal_keys.clone(),
            plain_text_networks: Vec::new(),
        };
        (principals, keys.derivation_secret.expose().into())
    }
}
