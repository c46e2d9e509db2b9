//! Direct access to a suite's databases.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use local_servers::suite::{self, NAMES, Role};
use shared::config::Secret;

use super::{Suite, databases_of, until};

const TRANSACTIONS_TIMEOUT: Duration = Duration::from_secs(30);

impl Suite {
    /// The superuser's URL of the database with a service's schema.
    pub fn admin_url_of(&self, service: &str) -> Secret {
        let suite::SuiteOptions { databases, database, .. } = &self.options.common;
        let [identity, wanted] = ["identity", service].map(|name| databases.database_of(name, database));
        self.admin_url.expose().replace(&format!("/{identity}?"), &format!("/{wanted}?")).into()
    }

    /// A connection as superuser, which policies do not apply to, to the database with a service's schema.
    pub async fn admin_of(&self, service: &str) -> AsyncPgConnection {
        shared::database::connect(&self.admin_url_of(service)).await.unwrap()
    }

    /// As [`Self::admin_of`], for the only database or identity's.
    pub async fn admin(&self) -> AsyncPgConnection {
        self.admin_of("identity").await
    }

    /// As [`Self::admin_of`], for the first schema that a statement names.
    async fn admin_for(&self, statement: &str) -> AsyncPgConnection {
        let position = |service: &&str| statement.find(&format!("{service}.")).unwrap_or(usize::MAX);
        self.admin_of(NAMES.into_iter().min_by_key(position).unwrap()).await
    }

    /// Executes statements as superuser. All of them must name the schema of the same service.
    pub async fn execute(&self, statements: &str) {
        self.admin_for(statements).await.batch_execute(statements).await.unwrap();
    }

    /// Counts rows, for example of `task.tasks WHERE …`.
    pub async fn count(&self, rows: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {rows}"));
        let found: Count = query.get_result(&mut self.admin_for(rows).await).await.unwrap();
        found.count
    }

    /// Number of deadlocks in the databases. Terminates all connections first, because a session reports its deadlocks
    /// when it ends.
    pub async fn deadlocks(&self) -> i64 {
        let databases = databases_of(&self.options).into_iter().collect::<Vec<_>>().join("', '");
        let others = format!("pg_stat_activity WHERE datname IN ('{databases}') AND pid <> pg_backend_pid()");
        let terminated = format!("(SELECT pg_terminate_backend(pid) FROM {others}) AS others");
        until("the databases have no connections", TRANSACTIONS_TIMEOUT, async || {
            self.count(&terminated).await == 0
        })
        .await;
        let deadlocks = "pg_stat_database, generate_series(1, deadlocks)";
        self.count(&format!("{deadlocks} WHERE datname IN ('{databases}')")).await
    }

    /// Waits until all transactions that began before now have ended, those of other tests included: a watch that starts
    /// afterwards starts after all earlier changes.
    pub async fn wait_for_open_transactions(&self) {
        let mut admin = self.admin().await;
        let current = sql::<BigInt>("pg_current_xact_id()::text::bigint");
        let done: i64 = diesel::select(current).get_result(&mut admin).await.unwrap();
        let oldest_running = sql::<BigInt>("pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
        until("all transactions have ended", TRANSACTIONS_TIMEOUT, async || {
            diesel::select(oldest_running.clone()).get_result::<i64>(&mut admin).await.unwrap() > done
        })
        .await;
    }

    /// A connection with a service's role and options.
    pub async fn connect_as(&self, role: Role) -> AsyncPgConnection {
        let (url, options) = (self.options.url_of(role), self.options.database());
        shared::database::connect_with_options(&url, &options).await.unwrap()
    }
}
