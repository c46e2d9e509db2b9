//! A suite's databases, past the services: what a test looks at and changes there.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use local_servers::suite::{self, NAMES, Role};
use shared::config::Secret;

use super::{Suite, databases_of, until};

/// How long it may take until nothing of what was is under way any more.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

impl Suite {
    /// The superuser's URL of the database that a service's schema is in.
    pub fn admin_url_of(&self, service: &str) -> Secret {
        let suite::SuiteOptions { databases, database, .. } = &self.options.common;
        let [identity, wanted] = ["identity", service].map(|name| databases.database_of(name, database));
        self.admin_url.expose().replace(&format!("/{identity}?"), &format!("/{wanted}?")).into()
    }

    /// A connection as superuser, past all policies, to the database that a service's schema is in.
    pub async fn admin_of(&self, service: &str) -> AsyncPgConnection {
        shared::database::connect(&self.admin_url_of(service)).await.unwrap()
    }

    /// The same, to the database; where there are four, to identity's.
    pub async fn admin(&self) -> AsyncPgConnection {
        self.admin_of("identity").await
    }

    /// The same, to the database that has what a statement speaks of.
    async fn admin_for(&self, statement: &str) -> AsyncPgConnection {
        let place = |service: &&str| statement.find(&format!("{service}.")).unwrap_or(usize::MAX);
        self.admin_of(NAMES.into_iter().min_by_key(place).unwrap()).await
    }

    /// Changes what is there as superuser, past all policies; all statements speak of one service's schema.
    pub async fn execute(&self, statements: &str) {
        self.admin_for(statements).await.batch_execute(statements).await.unwrap();
    }

    /// How many rows there are; `task.tasks WHERE …`.
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

    /// How many deadlocks the databases have counted when nobody is in them any more: each tells of its own as it leaves,
    /// also who is kept by a pooler for the next one.
    pub async fn deadlocks(&self) -> i64 {
        let ours = databases_of(&self.options).into_iter().collect::<Vec<_>>().join("', '");
        let others = format!("pg_stat_activity WHERE datname IN ('{ours}') AND pid <> pg_backend_pid()");
        let sent_away = format!("(SELECT pg_terminate_backend(pid) FROM {others}) AS others");
        until("nobody is in the databases", SETTLE_LIMIT, async || self.count(&sent_away).await == 0).await;
        let deadlocks = "pg_stat_database, generate_series(1, deadlocks)";
        self.count(&format!("{deadlocks} WHERE datname IN ('{ours}')")).await
    }

    /// Waits until no transaction runs that began before now, also of another test: a watch that begins then begins
    /// after all that was done before.
    pub async fn wait_for_open_transactions(&self) {
        let mut admin = self.admin().await;
        let current = sql::<BigInt>("pg_current_xact_id()::text::bigint");
        let done: i64 = diesel::select(current).get_result(&mut admin).await.unwrap();
        let oldest_running = sql::<BigInt>("pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
        until("all transactions have ended", SETTLE_LIMIT, async || {
            diesel::select(oldest_running.clone()).get_result::<i64>(&mut admin).await.unwrap() > done
        })
        .await;
    }

    /// A connection under a service's role, as its code has it.
    pub async fn connect_as(&self, role: Role) -> AsyncPgConnection {
        let (url, options) = (self.options.url_of(role), self.options.database());
        shared::database::connect_with_options(&url, &options).await.unwrap()
    }
}
