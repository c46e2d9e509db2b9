//! Connections over a pooler in transaction mode that does not know prepared statements (PgBouncer before 1.21).
//!
//! Each transaction may be on another connection to the server, so nothing may stay there for a later one. The driver
//! prepares every statement under a name: that happens within the transaction, and its end forgets all names. Names that
//! another transaction would find are worse than none: two processes of a service share the server's connections, and
//! count their names alike.

use diesel::connection::CacheSize;
use diesel::sql_types::Text;
use diesel::{ConnectionError, QueryableByName, sql_query};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures::FutureExt;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{Client, Socket};

use crate::config::Pooler;

/// How a transaction ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Commit,
    Rollback,
}

impl Ending {
    /// In one message, so that the pooler gives it to one connection.
    pub(super) const fn statements(self, pooler: Pooler) -> &'static str {
        match (self, pooler) {
            (Self::Commit, Pooler::None) => "COMMIT",
            (Self::Rollback, Pooler::None) => "ROLLBACK",
            (Self::Commit, Pooler::Transaction) => "COMMIT; DEALLOCATE ALL",
            (Self::Rollback, Pooler::Transaction) => "ROLLBACK; DEALLOCATE ALL",
        }
    }
}

/// All types of the services that this role may use, as a list of nulls.
const TYPES: &str = "SELECT coalesce(string_agg(format('NULL::%I.%I', n.nspname, t.typname), ', '), 'NULL') AS nulls \
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
     LEFT JOIN pg_type e ON e.oid = t.typelem \
     WHERE n.nspname IN ('identity', 'project', 'task', 'content') AND 'e' IN (t.typtype, e.typtype) \
     AND has_schema_privilege(n.oid, 'USAGE')";

#[derive(QueryableByName)]
struct Types {
    #[diesel(sql_type = Text)]
    nulls: String,
}

/// Makes a connection fit for use.
pub(super) async fn set_up<S>(
    pooler: Pooler,
    client: Client,
    connection: tokio_postgres::Connection<Socket, S>,
) -> Result<AsyncPgConnection, ConnectionError>
where
    S: TlsStream + Unpin + Send + 'static,
{
    if pooler == Pooler::None {
        return AsyncPgConnection::try_from_client_and_connection(client, connection).await;
    }
    // Queued ahead of the settings that Diesel makes, which it prepares.
    let _unanswered = client.batch_execute("BEGIN").now_or_never();
    let mut conn = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
    conn.set_prepared_statement_cache_size(CacheSize::Disabled);
    learn_types(&mut conn).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// The driver asks for each type once, with statements that it keeps prepared. So it has to meet all of them now, while
/// these are still there.
async fn learn_types(conn: &mut AsyncPgConnection) -> diesel::QueryResult<()> {
    let types: Types = sql_query(TYPES).get_result(conn).await?;
    sql_query(format!("SELECT {}", types.nulls)).execute(conn).await?;
    conn.batch_execute(Ending::Commit.statements(Pooler::Transaction)).await
}
