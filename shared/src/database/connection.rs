//! How connections are made, and when one can be reused.

use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::ConnectionError;
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::net::TcpStream;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::slow_statements::SlowStatements;
use super::url::DatabaseUrl;
use super::writable::{ReadOnlySince, StatementObserver};
use crate::config::{DatabaseOptions, Secret};
use crate::tls;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a process that has just started waits for the database. The network policies of a pod take effect some
/// seconds after its start; until then its connections are refused.
const REACHABLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one attempt may take, and the delay before the next.
const REACHABLE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const REACHABLE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A connection that remembers which statements the server has prepared on it.
pub struct Connection {
    inner: AsyncPgConnection,
    /// Hashes of the SQL of statements that have run on this connection and so are prepared there.
    prepared: Mutex<HashSet<u64>>,
    made_at: Instant,
    /// Set while the server may still be working on a statement.
    pub(super) uncertain: bool,
}

impl Connection {
    fn new(inner: AsyncPgConnection) -> Self {
        Self { inner, prepared: Mutex::default(), made_at: Instant::now(), uncertain: false }
    }

    pub(super) fn is_prepared(&self, statement: u64) -> bool {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).contains(&statement)
    }

    pub(super) fn remember_prepared(&self, statement: u64) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(statement);
    }
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.inner
    }
}

/// Makes connections for the pool.
pub struct ConnectionManager {
    config: tokio_postgres::Config,
    /// How long a statement may take before it is logged; `None` for connections outside of pools.
    slow: Option<Duration>,
    /// The authorities to check the server's certificate against; `None` for plain text.
    tls: Option<Authorities>,
    read_only: ReadOnlySince,
}

impl ConnectionManager {
    pub(super) fn new(url: &Secret, options: &DatabaseOptions) -> anyhow::Result<Self> {
        let DatabaseUrl { mut config, encrypted, authorities } =
            DatabaseUrl::parse(url, options.database_tls_ca.clone())?;
        config.connect_timeout(CONNECT_TIMEOUT);
        let tls = encrypted.then(|| Authorities::new(authorities)).transpose()?;
        Ok(Self { config, slow: None, tls, read_only: ReadOnlySince::default() })
    }
}

impl ConnectionManager {
    /// For a pool: logs slow statements, and connects only to a server that takes writes.
    pub(super) fn of_pool(mut self, slow: Duration) -> Self {
        self.slow = Some(slow);
        self.config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        self
    }

    /// The role that signs in.
    pub(super) fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

/// The authorities that PostgreSQL's certificate is checked against.
enum Authorities {
    /// The machine's authorities.
    Machine(MakeRustlsConnect),
    /// Those of a file, which is read again for each new connection.
    File(PathBuf),
}

impl Authorities {
    fn new(ca: Option<PathBuf>) -> anyhow::Result<Self> {
        let config = tls::client_config(ca.as_deref())?;
        Ok(ca.map_or_else(|| Self::Machine(MakeRustlsConnect::new(config)), Self::File))
    }

    fn connector(&self) -> anyhow::Result<MakeRustlsConnect> {
        match self {
            Self::Machine(connector) => Ok(connector.clone()),
            Self::File(ca) => Ok(MakeRustlsConnect::new(tls::client_config(Some(ca))?)),
        }
    }
}

impl bb8::ManageConnection for ConnectionManager {
    type Connection = Connection;
    type Error = ConnectionError;

    async fn connect(&self) -> Result<Connection, ConnectionError> {
        // With its causes, as an expired certificate.
        let refused = |error: tokio_postgres::Error| {
            ConnectionError::BadConnection(format!("{:#}", anyhow::Error::from(error)))
        };
        let mut inner = if let Some(tls) = &self.tls {
            let tls =
                tls.connector().map_err(|error| ConnectionError::BadConnection(format!("{error:#}")))?;
            let (client, connection) = self.config.connect(tls).await.map_err(refused)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        } else {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        };
        if let Some(slow) = self.slow {
            inner.set_instrumentation(StatementObserver {
                slow: SlowStatements::new(slow, self.role().to_owned()),
                read_only: self.read_only.clone(),
            });
        }
        Ok(Connection::new(inner))
    }

    /// Checks without a round trip: asking the server on each check-out costs a third of the throughput.
    async fn is_valid(&self, connection: &mut Connection) -> Result<(), ConnectionError> {
        if self.has_broken(connection) {
            return Err(ConnectionError::BadConnection("the connection cannot be used again".to_owned()));
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.uncertain || connection.inner.is_broken() || self.read_only.concerns(connection.made_at)
    }
}

/// A connection of its own, outside of any pool: for migrations and operators' commands.
///
/// # Errors
/// When the URL is malformed or the database does not answer.
pub async fn connect(url: &Secret) -> anyhow::Result<AsyncPgConnection> {
    connect_with_options(url, &DatabaseOptions::default()).await
}

/// As [`connect`], the way that a service's pool does.
///
/// # Errors
/// When the URL is malformed or the database does not answer.
pub async fn connect_with_options(
    url: &Secret,
    options: &DatabaseOptions,
) -> anyhow::Result<AsyncPgConnection> {
    use bb8::ManageConnection;
    Ok(ConnectionManager::new(url, options)?.connect().await?.inner)
}

/// Waits until the database accepts TCP connections, for 15 seconds at most. Errors are left to the attempt to connect.
pub async fn wait_until_reachable(url: &Secret) {
    let Ok(DatabaseUrl { config, .. }) = DatabaseUrl::parse(url, None) else { return };
    let reach = async {
        while !is_reachable(&config).await {
            tokio::time::sleep(REACHABLE_POLL_INTERVAL).await;
        }
    };
    if tokio::time::timeout(REACHABLE_TIMEOUT, reach).await.is_err() {
        tracing::warn!(?REACHABLE_TIMEOUT, "the database does not accept connections");
    }
}

async fn is_reachable(config: &tokio_postgres::Config) -> bool {
    let ports = config.get_ports();
    for (index, host) in config.get_hosts().iter().enumerate() {
        // A Unix socket needs no waiting.
        let Host::Tcp(name) = host else { return true };
        // One for each host, or one for all.
        let Some(port) = ports.get(index).or(ports.first()) else { return true };
        let reach = TcpStream::connect((name.as_str(), *port));
        if matches!(tokio::time::timeout(REACHABLE_ATTEMPT_TIMEOUT, reach).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_database_that_becomes_reachable_later_is_waited_for() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = Secret::from(format!("postgres://somebody@{address}/something"));
        let config = DatabaseUrl::parse(&url, None).unwrap().config;
        assert!(!is_reachable(&config).await);
        let later = async {
            tokio::time::sleep(REACHABLE_POLL_INTERVAL).await;
            TcpListener::bind(address).await.unwrap()
        };
        let ((), _listener) = tokio::join!(wait_until_reachable(&url), later);
        assert!(is_reachable(&config).await);
    }
}
