//! A few multiplexed connections in a bb8 pool. A connection is checked out only to be cloned, so that
//! many commands are in flight on each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bb8::ManageConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::connection::{Wire, connect};
use super::{DEPENDENCY, OPERATION_TIMEOUT};
use crate::error::{Error, Result};

/// Connections of one service to Redis.
const CONNECTIONS: u32 = 4;
/// Connections to a cluster: each has a connection to every node.
const CLUSTER_CONNECTIONS: u32 = 1;

pub(super) type Pool = bb8::Pool<ConnectionManager>;

/// `demoted` is told of every connection that leads to a replica.
pub(super) fn build(address: Arc<Address>, demoted: Arc<watch::Sender<()>>) -> Pool {
    bb8::Pool::builder()
        .max_size(if address.is_cluster { CLUSTER_CONNECTIONS } else { CONNECTIONS })
        .connection_timeout(OPERATION_TIMEOUT)
        .retry_connection(false)
        .build_unchecked(ConnectionManager { address, demoted })
}

/// A connection to use until `deadline`.
pub(super) async fn check_out(pool: &Pool, deadline: Instant) -> Result<Connection> {
    match timeout_at(deadline, pool.get()).await {
        Ok(Ok(connection)) => Ok(connection.clone()),
        Ok(Err(error)) => Err(Error::unavailable(DEPENDENCY, error)),
        Err(late) => Err(Error::unavailable(DEPENDENCY, late)),
    }
}

/// One connection, shared by all who cloned it.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) inner: Wire,
    is_broken: Arc<AtomicBool>,
    demoted: Arc<watch::Sender<()>>,
}

impl Connection {
    /// Takes the outcome of an operation: after a failure the connection is replaced, unless it reconnects itself. To
    /// reconnect to all nodes of a cluster because one of them is slow would make all of them slow. A node that was
    /// demoted to a replica keeps its connections open, while its address may lead to the new primary already.
    pub(super) fn settle<T>(self, answer: Result<RedisResult<T>, Elapsed>) -> Result<T> {
        let (is_broken, error) = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => {
                let is_demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
                if is_demoted && !self.inner.reconnects_itself() {
                    self.demoted.send_replace(());
                }
                let is_broken = is_demoted || error.is_io_error() || error.is_unrecoverable_error();
                (is_broken, Error::unavailable(DEPENDENCY, error))
            }
            Err(late) => (true, Error::unavailable(DEPENDENCY, late)),
        };
        self.is_broken.fetch_or(is_broken && !self.inner.reconnects_itself(), Ordering::Relaxed);
        Err(error)
    }
}

/// Makes connections, and replaces those that an operation found broken. bb8-redis's own manager would ask
/// with a PING, one more round trip, each time.
#[derive(Clone)]
pub(super) struct ConnectionManager {
    address: Arc<Address>,
    demoted: Arc<watch::Sender<()>>,
}

impl ManageConnection for ConnectionManager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<Connection> {
        let inner = connect(&self.address).await?;
        Ok(Connection { inner, is_broken: Arc::default(), demoted: self.demoted.clone() })
    }

    async fn is_valid(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.has_broken(connection) {
            return Err((ErrorKind::Io, "the connection failed before").into());
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken.load(Ordering::Relaxed)
    }
}
