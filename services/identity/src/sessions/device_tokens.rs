//! Device tokens: a device proves with one that its user has signed in on it before (OWASP: device cookies). They are no
//! credentials: a login with one needs the password as well.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use shared::config::DerivationOptions;
use shared::keys::DerivedKey;
use uuid::Uuid;

const PREFIX: &str = "dfd_";
/// How long a device is known after its session began: twice as long as a session lasts by default.
const LIFETIME: TimeDelta = TimeDelta::days(180);
const ID_BYTES: usize = 16;

/// Makes and verifies device tokens. A token is the id of the session that the device began, and a code for it and its
/// user: nothing is stored. The id (UUID version 7) has the time at which the session began.
#[derive(Clone)]
pub struct DeviceTokenKey(DerivedKey);

impl DeviceTokenKey {
    /// The key is derived from the service's secret.
    pub fn new(secrets: &DerivationOptions) -> Self {
        Self(DerivedKey::new(secrets, "device tokens"))
    }

    /// The token of the device that began this session.
    pub fn token(&self, user_id: Uuid, session_id: Uuid) -> String {
        let code = code(&self.0.current, user_id, session_id).finalize().into_bytes();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([session_id.as_bytes().as_slice(), &code].concat()))
    }

    /// The session that the device of this token began, if this user did so and the token has not expired.
    pub fn verify(&self, token: &str, user_id: Uuid, now: DateTime<Utc>) -> Option<Uuid> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (id, tag) = bytes.split_at_checked(ID_BYTES)?;
        let session_id = Uuid::from_slice(id).ok()?;
        let is_valid = self.0.is_any(|key| code(key, user_id, session_id).verify_slice(tag).is_ok());
        (is_valid && now < began_at(session_id)? + LIFETIME).then_some(session_id)
    }
}

fn code(key: &Hmac<Sha256>, user_id: Uuid, session_id: Uuid) -> Hmac<Sha256> {
    key.clone().chain_update(user_id.as_bytes()).chain_update(session_id.as_bytes())
}

fn began_at(session_id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = session_id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_user_and_its_key() {
        let (key, other) = (DeviceTokenKey::new(&"secret".into()), DeviceTokenKey::new(&"other".into()));
        let (olga, gus, session) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let token = key.token(olga, session);
        assert_eq!(key.verify(&token, olga, Utc::now()), Some(session));
        assert_eq!(key.verify(&token, gus, Utc::now()), None);
        assert_eq!(other.verify(&token, olga, Utc::now()), None);
    }

    #[test]
    fn a_token_of_the_former_secret_is_accepted() {
        let (olga, session) = (Uuid::now_v7(), Uuid::now_v7());
        let token = DeviceTokenKey::new(&"old".into()).token(olga, session);
        let changed = DerivationOptions {
            derivation_secret: "new".into(),
            former_derivation_secret: Some("old".into()),
        };
        assert_eq!(DeviceTokenKey::new(&changed).verify(&token, olga, Utc::now()), Some(session));
    }

    #[test]
    fn a_token_expires_180_days_after_its_session_began() {
        let key = DeviceTokenKey::new(&"secret".into());
        let (olga, session) = (Uuid::now_v7(), Uuid::now_v7());
        let token = key.token(olga, session);
        let verified = |days| key.verify(&token, olga, Utc::now() + TimeDelta::days(days));
        assert_eq!(verified(179), Some(session));
        assert_eq!(verified(180), None);
    }

    #[test]
    fn a_malformed_token_is_refused() {
        let key = DeviceTokenKey::new(&"secret".into());
        let (olga, session) = (Uuid::now_v7(), Uuid::now_v7());
        let token = key.token(olga, session);
        let without_prefix = token.replacen(PREFIX, "", 1);
        let [longer, other_kind] = [format!("{token}AAAA"), format!("dfr_{without_prefix}")];
        for text in ["", PREFIX, "dfd_%", "dfd_AAAA", &without_prefix, &longer, &other_kind] {
            assert_eq!(key.verify(text, olga, Utc::now()), None, "{text}");
        }
    }
}
