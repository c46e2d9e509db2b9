//! Revokes every session that Redis holds, also those that the database does not know.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use redis::{Cmd, RedisResult};

use super::address::Address;
use super::{DEPENDENCY, RedisStore};
use crate::authentication::TokenHash;
use crate::error::{Error, Result};

/// How long a node may take to scan its keys.
const SCAN_TIMEOUT: Duration = Duration::from_secs(60);
/// Sessions that are marked in one batch.
const BATCH: usize = 500;
/// Attempts per batch, since Redis may be busy.
const MAX_ATTEMPTS: usize = 10;
const RETRY_DELAY: Duration = Duration::from_millis(500);

impl RedisStore {
    /// Marks these sessions and every other that the store holds as revoked, makes every service evict them, and returns
    /// their number. A node of Redis serves nobody else while it scans its keys, about a second for a million of them.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not answer; some may be marked then.
    pub async fn revoke_all(&self, mut hashes: Vec<TokenHash>) -> Result<usize> {
        let pattern = self.key("{session:*}");
        let names = names(&self.address, &pattern).await;
        let names = names.map_err(|error| Error::unavailable(DEPENDENCY, error))?;
        hashes.extend(names.iter().filter_map(|name| hash_in(&pattern, name)));
        hashes.sort_unstable_by_key(|hash| hash.0);
        hashes.dedup();
        for batch in hashes.chunks(BATCH) {
            let patient = ConstantBuilder::default().with_delay(RETRY_DELAY).with_max_times(MAX_ATTEMPTS);
            (|| self.revoke(batch)).retry(patient).await?;
        }
        Ok(hashes.len())
    }
}

/// The names of all keys of this pattern, on every master of a cluster.
async fn names(address: &Address, pattern: &str) -> RedisResult<Vec<String>> {
    let command = Cmd::keys(pattern);
    if address.is_cluster {
        let cluster = address.cluster()?.response_timeout(SCAN_TIMEOUT).build()?;
        return command.query_async(&mut cluster.get_async_connection().await?).await;
    }
    let mut found = Vec::new();
    for node in &address.nodes {
        let mut connection = address.client(node)?.get_multiplexed_async_connection().await?;
        connection.set_response_timeout(SCAN_TIMEOUT);
        found.extend(command.query_async::<Vec<String>>(&mut connection).await?);
    }
    Ok(found)
}

/// The token hash in the name of a key, where the pattern has its star.
fn hash_in(pattern: &str, name: &str) -> Option<TokenHash> {
    let (before, after) = pattern.split_once('*')?;
    TokenHash::from_hex(name.strip_prefix(before)?.strip_suffix(after)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::token_hash;

    #[tokio::test]
    async fn the_hash_of_a_session_is_in_the_name_of_its_key() {
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let hash = token_hash("token");
        let pattern = redis.key("{session:*}");
        assert!(hash_in(&pattern, &redis.session_key(&hash)) == Some(hash));
        for other in ["test:{session:}", "test:{session:*}", "test:changes:task", ""] {
            assert!(hash_in(&pattern, other).is_none(), "{other}");
        }
    }
}
