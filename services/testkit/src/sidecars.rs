//! What runs around PostgreSQL and Redis in some forms: PgBouncer, and a cluster instead of the one Redis.
//!
//! It is started when the first suite asks for it, and serves all suites on the same servers.

use diesel_async::SimpleAsyncConnection as _;
use local_servers::suite::Role;
use local_servers::{PgBouncer, PgBouncerEdition, RedisCluster};
use shared::config::{Pooler, Secret};
use tokio::sync::OnceCell;

use super::servers::{self, Servers};
use super::topology::{Sidecars, Through};
use super::{SuiteOptions, databases_of};

/// A test does not want to wait as long for a failover as production does.
const QUICK_FAILOVER: &str = "cluster-node-timeout 2000\nappendonly no";
/// Who asks the databases for passwords, and who asks PgBouncer how it is.
const POOLERS_ROLES: [&str; 2] = ["dafnck_pooler", "dafnck_monitor"];

/// What has been started so far.
#[derive(Default)]
pub(super) struct Around {
    bouncer: OnceCell<PgBouncer>,
    preparing_bouncer: OnceCell<PgBouncer>,
    cluster: OnceCell<RedisCluster>,
}

impl From<Around> for Sidecars {
    fn from(around: Around) -> Self {
        let Around { bouncer, preparing_bouncer, cluster } = around;
        let bouncer = bouncer.into_inner().or(preparing_bouncer.into_inner());
        Self { bouncer, cluster: cluster.into_inner() }
    }
}

impl Servers {
    /// Lets a suite reach PostgreSQL through this.
    pub(super) async fn put_through(&self, through: Through, options: &mut SuiteOptions) {
        let around = &self.around;
        let bouncer = match through {
            Through::Directly => return,
            Through::PgBouncer => {
                options.reaching.database_pooler = Pooler::Transaction;
                around.bouncer.get_or_init(|| self.start_bouncer()).await
            }
            Through::PreparingPgBouncer => {
                let bouncer = around.preparing_bouncer.get_or_init(|| self.start_preparing_bouncer()).await;
                self.admit_pooler(options).await;
                bouncer
            }
        };
        options.postgres = format!("127.0.0.1:{}", bouncer.port);
    }

    /// The URL of the Redis Cluster.
    pub(super) async fn cluster_url(&self) -> Secret {
        self.around.cluster.get_or_init(|| self.start_cluster()).await.url().into()
    }

    async fn start_cluster(&self) -> RedisCluster {
        let workspace = servers::workspace();
        let settings = workspace.join("deploy/redis/cluster.conf");
        let (cache, certificates) = (workspace.join(".local/cache"), self.certificates.clone());
        RedisCluster::start(&cache, &settings, QUICK_FAILOVER, certificates, say).await.unwrap()
    }

    /// A PgBouncer that knows the passwords of all roles of the services.
    async fn start_bouncer(&self) -> PgBouncer {
        let users = Role::ALL.map(|role| (role.name(), self.role_password.expose().to_owned()));
        self.start_edition(PgBouncerEdition::Own, "any-version.ini", &users).await
    }

    /// A PgBouncer that asks the databases for passwords, as the role that `deploy/postgres/init` makes for it.
    async fn start_preparing_bouncer(&self) -> PgBouncer {
        let password = self.role_password.expose();
        let statements = ["pooler", "monitor", "backup"]
            .iter()
            .fold(roles_script(), |text, name| text.replace(&format!(":'{name}'"), &format!("'{password}'")));
        self.execute(&statements).await;
        let users = POOLERS_ROLES.map(|role| (role.to_owned(), password.to_owned()));
        self.start_edition(PgBouncerEdition::Newer, "pgbouncer.ini", &users).await
    }

    /// Lets PgBouncer ask the databases of a suite for passwords.
    async fn admit_pooler(&self, options: &SuiteOptions) {
        let script = roles_script();
        let about_pooler = script.split("\n\n").next().unwrap().lines();
        let statements: Vec<&str> = about_pooler.filter(|line| !line.starts_with("CREATE ROLE")).collect();
        for database in databases_of(options) {
            let [pooler, _] = POOLERS_ROLES;
            let enter = format!("GRANT CONNECT ON DATABASE {database} TO {pooler};");
            let mut admin = shared::database::connect(&self.admin_url(&database)).await.unwrap();
            admin.batch_execute(&(enter + &statements.join("\n"))).await.unwrap();
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
        PgBouncer::start(&cache, edition, &settings, postgres, users, certificates, say).await.unwrap()
    }
}

/// The statements of `deploy/postgres/init`; the first paragraph is about PgBouncer.
fn roles_script() -> String {
    let script = std::fs::read_to_string(servers::workspace().join("deploy/postgres/init/roles.sh")).unwrap();
    script.split("<<'SQL'\n").nth(1).unwrap().split("\nSQL\n").next().unwrap().to_owned()
}

fn say(progress: &str) {
    eprintln!("{progress}");
}
