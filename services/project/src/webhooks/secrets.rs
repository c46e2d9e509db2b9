//! Secrets and signatures by the Standard Webhooks specification. A secret is an HMAC of the webhook's id and generation
//! under a key of this service; no row of the database holds one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shared::config::DerivationOptions;
use shared::keys::DerivedKey;
use uuid::Uuid;

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1";

#[derive(Clone)]
pub(crate) struct WebhookSecrets(DerivedKey);

/// What a request is signed with.
#[derive(Clone, Debug)]
pub(crate) struct SigningInput<'a> {
    pub webhook_id: Uuid,
    pub generation: i32,
    /// Whether the secret of the generation before also signs.
    pub signs_with_former: bool,
    pub message_id: &'a str,
    pub timestamp: DateTime<Utc>,
    pub body: &'a str,
}

impl WebhookSecrets {
    /// Derives a key for this purpose alone.
    pub(crate) fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "project webhooks"))
    }

    /// The secret as receivers configure it.
    pub(crate) fn of(&self, webhook_id: Uuid, generation: i32) -> String {
        format!("{PREFIX}{}", STANDARD.encode(secret(&self.0.current, webhook_id, generation)))
    }

    /// The header `webhook-signature`: a signature with each secret that is valid, also those under the key before the
    /// service's own secret was changed.
    pub(crate) fn sign(&self, input: &SigningInput<'_>) -> String {
        let former = input.signs_with_former.then_some(input.generation - 1);
        let generations: Vec<i32> = [input.generation].into_iter().chain(former).collect();
        let signatures = self
            .0
            .all()
            .flat_map(|key| generations.iter().map(move |generation| signature(key, input, *generation)));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn secret(key: &Hmac<Sha256>, webhook_id: Uuid, generation: i32) -> Vec<u8> {
    let code = key.clone().chain_update(webhook_id.as_bytes()).chain_update(generation.to_be_bytes());
    code.finalize().into_bytes().to_vec()
}

#[allow(clippy::expect_used, reason = "HMAC (RFC 2104) takes keys of any length")]
fn signature(key: &Hmac<Sha256>, input: &SigningInput<'_>, generation: i32) -> String {
    let secret = secret(key, input.webhook_id, generation);
    let mac: Hmac<Sha256> = Hmac::new_from_slice(&secret).expect("HMAC takes keys of any length");
    let signed = format!("{}.{}.", input.message_id, input.timestamp.timestamp());
    let code = mac.chain_update(signed).chain_update(input.body).finalize().into_bytes();
    format!("{VERSION},{}", STANDARD.encode(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(generation: i32, signs_with_former: bool) -> SigningInput<'static> {
        SigningInput {
            webhook_id: Uuid::from_u128(7),
            generation,
            signs_with_former,
            message_id: "msg_1",
            timestamp: DateTime::UNIX_EPOCH,
            body: "{}",
        }
    }

    #[test]
    fn a_secret_is_of_its_webhook_and_generation() {
        let secrets = WebhookSecrets::new(&"secret".into());
        let id = Uuid::from_u128(7);
        let first = secrets.of(id, 1);
        assert_eq!(STANDARD.decode(first.strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
        assert_ne!(first, secrets.of(id, 2));
        assert_ne!(first, secrets.of(Uuid::from_u128(8), 1));
        assert_ne!(first, WebhookSecrets::new(&"other".into()).of(id, 1));
    }

    #[test]
    fn during_a_rotation_both_secrets_sign() {
        let secrets = WebhookSecrets::new(&"secret".into());
        let [before, after] = [secrets.sign(&input(1, false)), secrets.sign(&input(2, false))];
        assert_eq!(secrets.sign(&input(2, true)), format!("{after} {before}"));
        assert!(before.starts_with("v1,"));
    }

    #[test]
    fn after_the_services_secret_was_changed_the_former_key_signs_too() {
        let old = WebhookSecrets::new(&"old".into());
        let changed = WebhookSecrets::new(&DerivationOptions {
            derivation_secret: "new".into(),
            former_derivation_secret: Some("old".into()),
        });
        let signed = changed.sign(&input(1, false));
        assert!(signed.ends_with(&old.sign(&input(1, false))) && signed.contains(' '));
    }
}
