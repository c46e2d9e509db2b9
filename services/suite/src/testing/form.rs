//! The forms in which a suite can be put together.

use std::path::Path;

use chrono::{Days, Utc};
use diesel_async::SimpleAsyncConnection as _;
use shared::config::{Pooler, Secret};
use shared::local::{Certificate, PgBouncer, PgBouncerEdition, RedisCluster, ServerCertificates};

use super::servers::{self, Servers};
use crate::dev_ca::{self, Authority};
use crate::services::{DatabaseForm, Role, SuiteOptions};

/// What of a suite differs from the plain one: one database, reached directly, one Redis, no TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// One database for all services, or one for each.
    pub databases: DatabaseForm,
    /// What the services reach PostgreSQL through.
    pub through: Through,
    /// One Redis, or a cluster.
    pub redis: RedisForm,
    /// Whether everything that goes over a wire is encrypted: to the services and between them, to PgBouncer, PostgreSQL
    /// and Redis.
    pub encryption: Encryption,
}

/// What runs around a suite of some forms.
#[derive(Default)]
pub struct Surroundings {
    /// What the services reach PostgreSQL through.
    pub bouncer: Option<PgBouncer>,
    /// What they have for a Redis.
    pub cluster: Option<RedisCluster>,
}

impl Form {
    /// Starts what this form has around the services, and changes their options accordingly.
    pub(super) async fn surround(
        self,
        servers: &Servers,
        options: &mut SuiteOptions,
        files: &Path,
    ) -> Surroundings {
        let mut around = Surroundings::default();
        let mut certificates = None;
        if let Some(authority) = &servers.authority {
            let folder = files.join("certificates");
            certificates = Some(make_certificates(&folder, Some(authority)));
            options.certificates = Some(folder);
        }
        if self.through == Through::PgBouncer {
            around.bouncer = Some(start_bouncer(servers, certificates.clone()).await);
            options.reaching.database_pooler = Pooler::Transaction;
        }
        if self.through == Through::PreparingPgBouncer {
            let database = servers.admin_url(&options.database);
            around.bouncer = Some(start_preparing_bouncer(servers, &database, certificates.clone()).await);
        }
        if let Some(bouncer) = &around.bouncer {
            options.postgres = format!("127.0.0.1:{}", bouncer.port);
        }
        if self.redis == RedisForm::Cluster {
            let cluster = start_cluster(certificates).await;
            options.redis_url = cluster.url().into();
            around.cluster = Some(cluster);
        }
        around
    }
}

/// Whether wires are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Plain text.
    #[default]
    Off,
    /// TLS everywhere, with certificates of `dafnck dev-ca`.
    On,
}

/// Makes certificates for everybody, of this authority or a new one.
pub(super) fn make_certificates(folder: &Path, authority: Option<&Certificate>) -> ServerCertificates {
    if let Some(authority) = authority {
        dev_ca::put(folder, dev_ca::AUTHORITY, authority).unwrap();
    }
    let authority = Authority::load_or_make(folder).unwrap();
    authority
        .issue_all(&["127.0.0.1", "localhost"].map(str::to_owned), Utc::now().date_naive() + Days::new(30))
        .unwrap();
    dev_ca::server_certificates(folder).unwrap()
}

/// What is between the services and PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// Nothing.
    #[default]
    Directly,
    /// PgBouncer in transaction mode, with the settings in `deploy/pgbouncer/any-version.ini`.
    PgBouncer,
    /// A PgBouncer that follows prepared statements, as `docker-compose.yml` has it: with `deploy/pgbouncer/pgbouncer.ini`,
    /// and passwords that it asks for in the database. Only of a suite that is started alone.
    PreparingPgBouncer,
}

/// What Redis is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisForm {
    /// One node.
    #[default]
    One,
    /// Three masters with a replica each, with the settings in `deploy/redis/cluster.conf`.
    Cluster,
}

/// A test does not want to wait as long for a failover as production does.
const QUICK_FAILOVER: &str = "cluster-node-timeout 2000\nappendonly no";

async fn start_cluster(certificates: Option<ServerCertificates>) -> RedisCluster {
    let workspace = servers::workspace();
    let settings = workspace.join("deploy/redis/cluster.conf");
    let say = |progress: &str| eprintln!("{progress}");
    let cache = workspace.join(".local/cache");
    RedisCluster::start(&cache, &settings, QUICK_FAILOVER, certificates, say).await.unwrap()
}

/// Starts a PgBouncer for all roles of the services.
async fn start_bouncer(servers: &Servers, certificates: Option<ServerCertificates>) -> PgBouncer {
    let users = Role::ALL.map(|role| (role.name(), servers.role_password.expose().to_owned()));
    start_edition(PgBouncerEdition::Own, "any-version.ini", &users, servers, certificates).await
}

/// Starts a PgBouncer that asks this database for passwords, as the role that `deploy/postgres/init` makes for it.
async fn start_preparing_bouncer(
    servers: &Servers,
    database: &Secret,
    certificates: Option<ServerCertificates>,
) -> PgBouncer {
    let script = std::fs::read_to_string(servers::workspace().join("deploy/postgres/init/roles.sh")).unwrap();
    let statements = script.split("<<'SQL'\n").nth(1).unwrap().split("\nSQL\n").next().unwrap();
    let password = servers.role_password.expose();
    let statements = ["pooler", "monitor", "backup"].iter().fold(statements.to_owned(), |text, name| {
        text.replace(&format!(":'{name}'"), &format!("'{password}'"))
    });
    let mut admin = shared::database::connect(database).await.unwrap();
    admin.batch_execute(&statements).await.unwrap();
    let users = ["dafnck_pooler", "dafnck_monitor"].map(|role| (role.to_owned(), password.to_owned()));
    start_edition(PgBouncerEdition::Newer, "pgbouncer.ini", &users, servers, certificates).await
}

async fn start_edition(
    edition: PgBouncerEdition,
    settings: &str,
    users: &[(String, String)],
    servers: &Servers,
    certificates: Option<ServerCertificates>,
) -> PgBouncer {
    let workspace = servers::workspace();
    let settings = workspace.join("deploy/pgbouncer").join(settings);
    let (cache, postgres) = (workspace.join(".local/cache"), servers.postgres_address());
    let say = |progress: &str| eprintln!("{progress}");
    PgBouncer::start(&cache, edition, &settings, postgres, users, certificates, say).await.unwrap()
}
