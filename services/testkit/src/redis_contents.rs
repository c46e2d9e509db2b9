//! A suite's data in Redis, and its role.

use std::time::Duration;

use shared::authentication::token_hash;
use shared::caller::Session;
use shared::error::Error;

use super::{Suite, keys, until_ok};

/// Includes the time for a new connection.
const REDIS_TIMEOUT: Duration = Duration::from_secs(10);

impl Suite {
    /// Puts a session into Redis as identity does, but for as long as it lasts.
    ///
    /// # Errors
    /// When Redis does not answer in time.
    pub async fn put_session(&self, token: &str, session: &Session) -> Result<(), Error> {
        let key = keys::private_key("identity").parse().unwrap();
        self.redis().put_session(&key, &token_hash(token), session, session.expires_at).await
    }

    /// Deletes the session of a token from Redis, as a restart without data would.
    pub async fn forget_session(&self, token: &str) {
        let redis = self.redis();
        let key = redis.key(&format!("{{session:{}}}", token_hash(token).to_hex()));
        let forget = redis::Cmd::del(key);
        until_ok("Redis forgets a session", REDIS_TIMEOUT, async || redis.query::<()>(&forget).await).await;
    }

    /// Makes Redis a replica of a primary that does not answer: it keeps its data and its connections, and takes no
    /// writes.
    pub async fn demote_redis(&self) {
        self.replicate(&["127.0.0.1", "1"]).await;
    }

    /// Makes Redis a primary again.
    pub async fn promote_redis(&self) {
        self.replicate(&["NO", "ONE"]).await;
    }

    async fn replicate(&self, primary: &[&str]) {
        let mut command = redis::cmd("REPLICAOF");
        command.arg(primary);
        self.redis().query::<()>(&command).await.unwrap();
    }
}
