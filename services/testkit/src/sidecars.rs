//! Servers that only some topologies need: PgBouncer, and a Redis Cluster instead of the single Redis.
//!
//! They start with the first suite that needs them and serve all suites on the same servers.

use diesel_async::SimpleAsyncConnection as _;
use local_servers::suite::Role;
use local_servers::{PgBouncer, PgBouncerEdition, RedisCluster};
use shared::config::{Pooler, Secret};
use tokio::sync::OnceCell;

use super::servers::{self, Servers};
use super::topology::{Pooling, Sidecars};
use super::{SuiteOptions, databases_of};

/// A failover takes less time than with the settings of production.
const CLUSTER_SETTINGS: &str = "cluster-node-timeout 2000\nappendonly no";
/// PgBouncer's role for password queries, and the role that reads PgBouncer's statistics.
const PGBOUNCER_ROLES: [&str; 2] = ["dafnck_pooler", "dafnck_monitor"];

/// The sidecars that have been started so far.
#[derive(Default)]
pub(super) struct SharedSidecars {
    bouncer: OnceCell<PgBouncer>,
    bouncer_before_121: OnceCell<PgBouncer>,
    cluster: OnceCell<RedisCluster>,
}

impl From<SharedSidecars> for Sidecars {
    fn from(shared: SharedSidecars) -> Self {
        let SharedSidecars { bouncer, bouncer_before_121, cluster } = shared;
        let bouncer = bouncer.into_inner().or(bouncer_before_121.into_inner());
        Self { bouncer, cluster: cluster.into_inner() }
    }
}

impl Servers {
    /// Changes a suite's options so that it connects through PgBouncer where the topology has one.
    pub(super) async fn pool_connections(&self, pooling: Pooling, options: &mut SuiteOptions) {
        let bouncer = match pooling {
            Pooling::None => return,
            Pooling::PgBouncerBefore121 => {
                options.connection.database_pooler = Pooler::Transaction;
                self.sidecars.bouncer_before_121.get_or_init(|| self.start_bouncer_before_121()).await
            }
            Pooling::PgBouncer => {
                let bouncer = self.sidecars.bouncer.get_or_init(|| self.start_bouncer()).await;
                self.grant_password_queries(options).await;
                bouncer
            }
        };
        options.postgres = format!("127.0.0.1:{}", bouncer.port);
    }

    /// The URL of the Redis Cluster.
    pub(super) async fn cluster_url(&self) -> Secret {
        self.sidecars.cluster.get_or_init(|| self.start_cluster()).await.url().into()
    }

    async fn start_cluster(&self) -> RedisCluster {
        let workspace = servers::workspace();
        let settings = workspace.join("deploy/redis/cluster.conf");
        let (cache, certificates) = (workspace.join(".local/cache"), self.certificates.clone());
        RedisCluster::start(&cache, &settings, CLUSTER_SETTINGS, certificates, print_progress).await.unwrap()
    }

    /// Starts a PgBouncer whose user file has the passwords of all services' roles.
    async fn start_bouncer_before_121(&self) -> PgBouncer {
        let users = Role::ALL.map(|role| (role.name(), self.role_password.expose().to_owned()));
        self.start_edition(PgBouncerEdition::Own, "any-version.ini", &users).await
    }

    /// Starts a PgBouncer that queries the databases for passwords, as the role that `deploy/postgres/init` creates.
    async fn start_bouncer(&self) -> PgBouncer {
        let password = self.role_password.expose();
        let statements = ["pooler", "monitor", "backup"]
            .iter()
            .fold(roles_script(), |text, name| text.replace(&format!(":'{name}'"), &format!("'{password}'")));
        self.execute(&statements).await;
        let users = PGBOUNCER_ROLES.map(|role| (role.to_owned(), password.to_owned()));
        self.start_edition(PgBouncerEdition::Newer, "pgbouncer.ini", &users).await
    }

    /// Lets PgBouncer query the databases of a suite for passwords.
    async fn grant_password_queries(&self, options: &SuiteOptions) {
        let script = roles_script();
        let pgbouncer_part = script.split("\n\n").next().unwrap().lines();
        let statements: Vec<&str> = pgbouncer_part.filter(|line| !line.starts_with("CREATE ROLE")).collect();
        for database in databases_of(options) {
            let [pgbouncer, _] = PGBOUNCER_ROLES;
            let grant = format!("GRANT CONNECT ON DATABASE {database} TO {pgbouncer};");
            let mut admin = shared::database::connect(&self.admin_url(&database)).await.unwrap();
            admin.batch_execute(&(grant + &statements.join("\n"))).await.unwrap();
        }
    }

    async fn start_edition(
        &self,
        edition: PgBouncerEdition,
        settings: &str,
        users: &[(String, String)],
    ) -> PgBouncer {
        let workspace = servers::workspace();
        let settings = workspace.join("deploy/pgbouncer").join(settings);
        let (cache, postgres) = (workspace.join(".local/cache"), self.postgres_address());
        let certificates = self.certificates.clone();
        PgBouncer::start(&cache, edition, &settings, postgres, users, certificates, print_progress)
            .await
            .unwrap()
    }
}

/// The statements of `deploy/postgres/init`. The first paragraph is about PgBouncer.
fn roles_script() -> String {
    let script = std::fs::read_to_string(servers::workspace().join("deploy/postgres/init/roles.sh")).unwrap();
    script.split("<<'SQL'\n").nth(1).unwrap().split("\nSQL\n").next().unwrap().to_owned()
}

fn print_progress(progress: &str) {
    eprintln!("{progress}");
}
