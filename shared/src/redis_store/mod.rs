//! Redis: the shared store of sessions, and the messages that wake readers early.
//!
//! Redis never holds the only copy of anything: every caller can go on without it, so every operation fails within
//! [`OPERATION_TIMEOUT`] rather than wait. Keys and channels begin with a prefix that is the same for all services of a
//! suite.

mod address;
mod connection;
mod pool;
mod revoking;
mod session_entry;
mod subscription;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use redis::{Cmd, FromRedisValue};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use self::address::Address;
use crate::authentication::TokenHash;
use crate::caller::Session;
use crate::config::Secret;
use crate::error::Result;
use crate::service_identity::{PrincipalKeys, PrivateKey};

pub use subscription::Notification;

/// How long one operation may take, connecting included.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(250);

const DEPENDENCY: &str = "redis";
/// Stored in place of a revoked session. It does not decode as a session, so a reader asks the source of truth.
const REVOKED: &str = "revoked";
/// How long it is stored: longer than any look-up that was running.
const REVOKED_TTL: Duration = Duration::from_secs(60);

/// A handle on Redis; cheap to clone.
#[derive(Clone)]
pub struct RedisStore {
    address: Arc<Address>,
    pool: pool::Pool,
    /// Notified when a connection leads to a replica.
    demoted: Arc<watch::Sender<()>>,
    prefix: String,
}

impl RedisStore {
    /// Connects on first use, so that a service starts without Redis. Needs a tokio runtime.
    ///
    /// # Errors
    /// `INTERNAL` for a malformed URL.
    pub fn new(url: &Secret, prefix: &str) -> Result<Self> {
        Self::with_ca(None, url, prefix)
    }

    /// As [`Self::new`], with the authorities of this PEM file instead of the machine's.
    ///
    /// # Errors
    /// `INTERNAL` for a malformed URL.
    pub fn with_ca(tls_ca: Option<&Path>, url: &Secret, prefix: &str) -> Result<Self> {
        let address = Arc::new(Address::parse(url, tls_ca)?);
        let demoted = Arc::new(watch::Sender::new(()));
        let pool = pool::build(address.clone(), demoted.clone());
        Ok(Self { pool, address, demoted, prefix: prefix.to_owned() })
    }

    /// The session of a token, if the store has it.
    ///
    /// Read with `GETEX`, which changes nothing here but counts as a write: a replica, which does not learn of
    /// revocations that its primary cannot send it, refuses it instead of answering with what it last knew.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not answer in time. An entry that identity has not signed, or that is not valid any
    /// more, counts as missing.
    pub async fn get_session(
        &self,
        keys: &PrincipalKeys,
        hash: &TokenHash,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>> {
        let text: Option<String> = self.query(redis::cmd("GETEX").arg(self.session_key(hash))).await?;
        Ok(text.and_then(|text| session_entry::open(keys, hash, &text, now)))
    }

    /// Stores a session until `valid_until`, signed with identity's `key`, unless it is stored already or has been
    /// revoked: a look-up that began before the revocation must not bring it back.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not answer in time.
    pub async fn put_session(
        &self,
        key: &PrivateKey,
        hash: &TokenHash,
        session: &Session,
        valid_until: DateTime<Utc>,
    ) -> Result<()> {
        let text = session_entry::seal(key, hash, session, valid_until)?;
        let mut command = redis::cmd("SET");
        command.arg(self.session_key(hash)).arg(text).arg("NX");
        command.arg("EXAT").arg(valid_until.timestamp());
        self.query(&command).await
    }

    /// Marks sessions as revoked, and makes every service evict them.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not answer in time; caches then drop them when their entries expire.
    pub async fn revoke(&self, hashes: &[TokenHash]) -> Result<()> {
        if hashes.is_empty() {
            return Ok(());
        }
        let channel = self.revocations_channel();
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let connection = pool::check_out(&self.pool, deadline).await?;
        let revoke_all = try_join_all(hashes.iter().map(|hash| {
            let mut wire = connection.inner.clone();
            let mark = Cmd::set_ex(self.session_key(hash), REVOKED, REVOKED_TTL.as_secs());
            let channel = &channel;
            // The mark first: a service that evicts the session looks it up again. If a replica refuses the mark, it still
            // passes the message on.
            async move {
                let marked = mark.query_async::<()>(&mut wire).await;
                wire.publish(channel, &hash.to_hex()).await?;
                marked
            }
        }));
        let answer = timeout_at(deadline, revoke_all).await;
        connection.settle(answer).map(drop)
    }

    /// Wakes the readers of a service's change log.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis does not answer in time; readers then find the change by polling.
    pub async fn wake(&self, service: &str) -> Result<()> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let mut connection = pool::check_out(&self.pool, deadline).await?;
        let answer = timeout_at(deadline, connection.inner.publish(&self.changes_channel(service), "")).await;
        connection.settle(answer)
    }

    /// Messages of `channels`, until the receiver is dropped. Reconnects on its own, also when its node has become a
    /// replica; [`Notification::Connected`] comes first each time, since messages may have been missed.
    pub fn subscribe(&self, channels: Vec<String>) -> mpsc::Receiver<Notification> {
        subscription::start(self.address.clone(), self.demoted.subscribe(), channels)
    }

    /// The channel with the token hashes of revoked sessions.
    pub fn revocations_channel(&self) -> String {
        self.key("session-revocations")
    }

    /// The channel that wakes the readers of a service's change log.
    pub fn changes_channel(&self, service: &str) -> String {
        self.key(&format!("changes:{service}"))
    }

    /// A key or channel of this suite.
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Runs one command.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Redis refuses it or does not answer in time.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let mut connection = pool::check_out(&self.pool, deadline).await?;
        let answer = timeout_at(deadline, command.query_async(&mut connection.inner)).await;
        connection.settle(answer)
    }

    /// The braces are a hash tag: in a cluster, all keys of one session share a slot.
    fn session_key(&self, hash: &TokenHash) -> String {
        self.key(&format!("{{session:{}}}", hash.to_hex()))
    }
}
