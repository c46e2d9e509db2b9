//! The keys of a service.

use clap::Args;
use ipnetwork::IpNetwork;

use super::Secret;
use crate::service_identity::{PrincipalKeys, PrivateKey};

/// How principals (services, operators, trusted back ends) prove who they are.
#[derive(Args, Clone, Debug)]
pub struct PrincipalOptions {
    /// The service's own private key, with which it signs its calls: Ed25519 in PEM, as
    /// `openssl genpkey -algorithm ed25519` makes it. No other program needs it. No default
    #[arg(long, env = "DAFNCK_SERVICE_KEY", hide_env_values = true, allow_hyphen_values = true)]
    pub service_key: PrivateKey,
    /// The public keys of all principals, as `identity:KEY,operator-olga:KEY`, each 32 bytes in base64; a name may have
    /// several. The same in all services. No default
    #[arg(long, env = "DAFNCK_PRINCIPAL_KEYS", hide_env_values = true)]
    pub principal_keys: PrincipalKeys,
    /// Networks from which principals may call without TLS, because nobody else reads or changes what passes there, as
    /// `10.213.71.0/24`. Default: none but the loopback
    #[arg(long, env = "DAFNCK_PLAIN_TEXT_NETWORKS", value_delimiter = ',')]
    pub plain_text_networks: Vec<IpNetwork>,
}

/// What a service derives the keys of its tokens from: page tokens and resume tokens, of identity also codes, API tokens
/// and successors of refresh tokens, of project also invitations and the secrets of webhooks.
#[derive(Args, Clone, Debug)]
pub struct DerivationOptions {
    /// Secret from which the service derives its tokens, at least 32 characters. Of this service alone, the same in its
    /// replicas. No default
    #[arg(long, env = "DAFNCK_DERIVATION_SECRET", hide_env_values = true, value_parser = long_secret)]
    pub derivation_secret: Secret,
    /// The derivation secret before it was changed: tokens that were made with it are still accepted. Default: not set
    #[arg(long, env = "DAFNCK_FORMER_DERIVATION_SECRET", hide_env_values = true, value_parser = long_secret)]
    pub former_derivation_secret: Option<Secret>,
}

impl From<&str> for DerivationOptions {
    fn from(secret: &str) -> Self {
        Self { derivation_secret: secret.into(), former_derivation_secret: None }
    }
}

/// The shortest derivation secret, in bytes: as long as the code that it keys (RFC 2104, section 3).
pub const MIN_SECRET_BYTES: usize = 32;

fn long_secret(value: &str) -> Result<Secret, String> {
    if value.len() < MIN_SECRET_BYTES {
        return Err(format!("is shorter than {MIN_SECRET_BYTES} bytes"));
    }
    Ok(value.into())
}
