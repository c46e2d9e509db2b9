//! A copy of a session as it is stored: signed by identity, so that whoever writes Redis cannot make sessions.
//!
//! `<signature in hex>.<JSON>`. The signature covers the token's hash as well, so that an entry is none for another token,
//! and the end of the copy, so that one that was kept from before a revocation is worth nothing minutes later.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::authentication::TokenHash;
use crate::caller::Session;
use crate::error::{Error, Result};
use crate::service_identity::{PrincipalKeys, PrivateKey};

/// Who signs: the owner of sessions.
const SIGNER: &str = "identity";
/// What the signed text begins with, so that a signature of a call is none of an entry.
const CONTEXT: &str = "dafnck-session";

#[derive(Serialize, Deserialize)]
struct Entry {
    session: Session,
    valid_until: DateTime<Utc>,
}

pub(super) fn seal(
    key: &PrivateKey,
    hash: &TokenHash,
    session: &Session,
    valid_until: DateTime<Utc>,
) -> Result<String> {
    let entry = Entry { session: session.clone(), valid_until };
    let json = serde_json::to_string(&entry).map_err(Error::internal)?;
    Ok(format!("{}.{json}", hex::encode(key.sign(&signed_text(hash, &json)))))
}

/// The session of an entry that identity has signed for this token and that is still valid.
pub(super) fn open(
    keys: &PrincipalKeys,
    hash: &TokenHash,
    text: &str,
    now: DateTime<Utc>,
) -> Option<Session> {
    let (signature, json) = text.split_once('.')?;
    let signature = hex::decode(signature).ok()?;
    keys.verify(SIGNER, &signed_text(hash, json), &signature).then_some(())?;
    let entry: Entry = serde_json::from_str(json).ok()?;
    (entry.valid_until > now).then_some(entry.session)
}

fn signed_text(hash: &TokenHash, json: &str) -> Vec<u8> {
    format!("{CONTEXT}|{}|{json}", hash.to_hex()).into_bytes()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::authentication::token_hash;

    #[test]
    fn an_entry_is_of_identity_for_one_token_and_for_a_while() {
        let [identity, task]: [PrivateKey; 2] =
            [1, 2].map(|byte| PrivateKey::pem_of(&[byte; 32]).parse().unwrap());
        let keys: PrincipalKeys =
            format!("identity:{},task:{}", identity.public_key(), task.public_key()).parse().unwrap();
        let (now, hash) = (Utc::now(), token_hash("a"));
        let until = now + TimeDelta::minutes(5);
        let session = Session {
            session_id: Uuid::nil(),
            user_id: Uuid::from_u128(7),
            expires_at: now + TimeDelta::days(1),
            scopes: None,
        };
        let entry = seal(&identity, &hash, &session, until).unwrap();
        assert_eq!(open(&keys, &hash, &entry, now), Some(session.clone()));
        assert_eq!(open(&keys, &hash, &entry, until), None);
        assert_eq!(open(&keys, &token_hash("b"), &entry, now), None);
        let of_task = seal(&task, &hash, &session, until).unwrap();
        let (_, json) = entry.split_once('.').unwrap();
        let changed = entry.replace("000000000007", "000000000008");
        for forged in [of_task.as_str(), json, &format!(".{json}"), &changed, "revoked", ""] {
            assert_eq!(open(&keys, &hash, forged, now), None, "{forged}");
        }
    }
}
