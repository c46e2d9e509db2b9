//! What Redis holds of a suite.

use std::time::Duration;

use shared::authentication::token_hash;

use super::{Suite, until_ok};

/// A new connection may take longer than one operation does.
const REDIS_LIMIT: Duration = Duration::from_secs(10);

impl Suite {
    /// Makes Redis forget the session of a token, as a restart without its data would.
    pub async fn forget_session(&self, token: &str) {
        let redis = self.redis();
        let key = redis.key(&format!("{{session:{}}}", token_hash(token).to_hex()));
        let forget = redis::Cmd::del(key);
        until_ok("Redis forgets a session", REDIS_LIMIT, async || redis.query::<()>(&forget).await).await;
    }
}
