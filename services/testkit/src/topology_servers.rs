//! Starts the servers that a topology needs besides PostgreSQL and Redis.

use std::path::Path;

use diesel_async::SimpleAsyncConnection as _;

use super::certificates::make_certificates;
use super::servers::Servers;
use super::topology::{Pooling, RedisTopology, Topology};
use super::workspace::{cache, workspace};
use super::{PgBouncer, RedisCluster, SuiteOptions, databases_of};

/// A failover takes less time than with the settings of production.
/// Of the roles for servers beside PostgreSQL, which listen on loopback while the tests run.
const SIDECAR_PASSWORD: &str = "sidecar";
const CLUSTER_SETTINGS: &str = "cluster-node-timeout 2000\nappendonly no";
/// PgBouncer's role for password queries, and the role that reads PgBouncer's statistics.
const PGBOUNCER_ROLES: [&str; 2] = ["dafnck_pooler", "dafnck_monitor"];

impl Servers {
    /// Starts the servers of a topology and changes a suite's options accordingly.
    pub(super) async fn configure(&self, topology: Topology, options: &mut SuiteOptions, files: &Path) {
        if let Some(authority) = &self.authority {
            let directory = files.join("certificates");
            make_certificates(&directory, Some(authority));
            options.certificates = Some(directory);
        }
        self.pool_connections(topology.pooling, options).await;
        if topology.redis == RedisTopology::Cluster {
            let cluster = self.sidecars.cluster.get_or_init(|| self.start_cluster()).await;
            options.redis_url = cluster.url().into();
            options.redis_users = cluster.users().clone();
        }
    }

    /// Changes a suite's options so that it connects through PgBouncer where the topology has one.
    async fn pool_connections(&self, pooling: Pooling, options: &mut SuiteOptions) {
        if pooling == Pooling::None {
            return;
        }
        let bouncer = self.sidecars.bouncer.get_or_init(|| self.start_bouncer()).await;
        self.grant_password_queries(options).await;
        options.postgres = format!("127.0.0.1:{}", bouncer.port);
    }

    async fn start_cluster(&self) -> RedisCluster {
        let settings = workspace().join("deploy/redis/cluster.conf");
        let certificates = self.certificates.clone();
        RedisCluster::start(&cache(), &settings, CLUSTER_SETTINGS, certificates, print_progress)
            .await
            .unwrap()
    }

    /// Starts a PgBouncer that queries the databases for passwords, as the role that `deploy/postgres/init` creates.
    async fn start_bouncer(&self) -> PgBouncer {
        let password = SIDECAR_PASSWORD;
        let statements = ["pooler", "monitor", "backup"]
            .iter()
            .fold(roles_script(), |text, name| text.replace(&format!(":'{name}'"), &format!("'{password}'")));
        self.execute(&statements).await;
        let users = PGBOUNCER_ROLES.map(|role| (role.to_owned(), password.to_owned()));
        let settings = workspace().join("deploy/pgbouncer/pgbouncer.ini");
        let (certificates, postgres) = (self.certificates.clone(), self.postgres_address());
        PgBouncer::start(&cache(), &settings, postgres, &users, certificates, print_progress).await.unwrap()
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
}

/// The statements of `deploy/postgres/init`. The first paragraph is about PgBouncer.
fn roles_script() -> String {
    let script = std::fs::read_to_string(workspace().join("deploy/postgres/init/roles.sh")).unwrap();
    script.split("<<'SQL'\n").nth(1).unwrap().split("\nSQL\n").next().unwrap().to_owned()
}

fn print_progress(progress: &str) {
    eprintln!("{progress}");
}
