//! What an operator has of a suite, and does with it.

use std::path::PathBuf;
use std::time::Duration;

use shared::authentication::token_hash;

use super::{SERVICE_SECRET, Suite, until_ok};
use crate::operator::OperatorOptions;

/// A new connection may take longer than one operation does.
const REDIS_LIMIT: Duration = Duration::from_secs(10);

impl Suite {
    /// What `dafnck` is told to reach this suite.
    pub fn operator(&self) -> OperatorOptions {
        let tls = self.options.tls_of("operator");
        OperatorOptions {
            service_secret: Some(SERVICE_SECRET.into()),
            data_folder: PathBuf::from("nowhere"),
            siblings: self.siblings.clone(),
            tls_ca: tls.tls_ca,
            tls_certificate: tls.tls_certificate,
            tls_key: tls.tls_key,
        }
    }

    /// Makes Redis forget the session of a token, as a restart without its data would.
    pub async fn forget_session(&self, token: &str) {
        let redis = self.redis();
        let key = redis.key(&format!("{{session:{}}}", token_hash(token).to_hex()));
        let forget = redis::Cmd::del(key);
        until_ok("Redis forgets a session", REDIS_LIMIT, async || redis.query::<()>(&forget).await).await;
    }
}
