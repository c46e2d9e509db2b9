//! How connections are made, and when one is fit for another use.

use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::measures::SlowStatements;
use super::pooled::{self, Ending};
use super::url::DatabaseUrl;
use crate::config::{DatabaseOptions, Pooler, Secret};
use crate::tls;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection that remembers which statements the server has prepared on it.
pub struct Connection {
    inner: AsyncPgConnection,
    /// Hashes of the SQL of statements that have run on this connection and so are prepared there.
    prepared: Mutex<HashSet<u64>>,
    pooler: Pooler,
    /// Set while nobody knows whether the server still works on something.
    pub(super) uncertain: bool,
}

impl Connection {
    fn new(inner: AsyncPgConnection, pooler: Pooler) -> Self {
        Self { inner, prepared: Mutex::default(), pooler, uncertain: false }
    }

    /// The statements that end a transaction on this connection.
    pub(super) fn ending(&self, ending: Ending) -> &'static str {
        ending.statements(self.pooler)
    }

    pub(super) fn is_prepared(&self, statement: u64) -> bool {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).contains(&statement)
    }

    /// Nothing is remembered where nothing stays prepared.
    pub(super) fn remember_prepared(&self, statement: u64) {
        if self.pooler == Pooler::Transaction {
            return;
        }
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
pub struct Manager {
    config: tokio_postgres::Config,
    /// How long a statement may take before it is logged; `None` for connections outside of pools.
    slow: Option<Duration>,
    /// Whether to speak TLS, and whom to believe.
    tls: Option<Authorities>,
    pooler: Pooler,
}

impl Manager {
    pub(super) fn new(url: &Secret, options: &DatabaseOptions) -> anyhow::Result<Self> {
        let DatabaseUrl { mut config, encrypted, authorities } =
            DatabaseUrl::parse(url, options.database_tls_ca.clone())?;
        config.connect_timeout(CONNECT_TIMEOUT);
        let tls = encrypted.then(|| Authorities::new(authorities)).transpose()?;
        Ok(Self { config, slow: None, tls, pooler: options.database_pooler })
    }
}

impl Manager {
    pub(super) fn logging_slow(mut self, slow: Duration) -> Self {
        self.slow = Some(slow);
        self
    }

    /// The role that signs in.
    pub(super) fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

/// Whom to believe that they are PostgreSQL.
enum Authorities {
    /// The machine's authorities.
    Machine(MakeRustlsConnect),
    /// Those of a file, which is read for each new connection: it may have changed.
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

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = ConnectionError;

    async fn connect(&self) -> Result<Connection, ConnectionError> {
        // With its causes, as that a certificate has expired.
        let refused = |error: tokio_postgres::Error| {
            ConnectionError::BadConnection(format!("{:#}", anyhow::Error::from(error)))
        };
        let mut inner = if let Some(tls) = &self.tls {
            let tls =
                tls.connector().map_err(|error| ConnectionError::BadConnection(format!("{error:#}")))?;
            let (client, connection) = self.config.connect(tls).await.map_err(refused)?;
            pooled::set_up(self.pooler, client, connection).await?
        } else {
            let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
            pooled::set_up(self.pooler, client, connection).await?
        };
        if let Some(slow) = self.slow {
            inner.set_instrumentation(SlowStatements::new(slow, self.role().to_owned()));
        }
        Ok(Connection::new(inner, self.pooler))
    }

    /// Looks without a round trip: asking the server on each check-out costs a third of the throughput.
    async fn is_valid(&self, connection: &mut Connection) -> Result<(), ConnectionError> {
        if self.has_broken(connection) {
            return Err(ConnectionError::BadConnection("the connection has closed".to_owned()));
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.uncertain || connection.inner.is_broken()
    }
}

/// A connection of its own, outside of any pool: for migrations and operators' commands.
///
/// # Errors
/// When the URL is malformed or the database does not answer.
pub async fn connect(url: &Secret) -> anyhow::Result<AsyncPgConnection> {
    connect_as_told(url, &DatabaseOptions::default()).await
}

/// As [`connect`], the way that a service's pool does.
///
/// # Errors
/// When the URL is malformed or the database does not answer.
pub async fn connect_as_told(url: &Secret, options: &DatabaseOptions) -> anyhow::Result<AsyncPgConnection> {
    use bb8::ManageConnection;
    Ok(Manager::new(url, options)?.connect().await?.inner)
}
