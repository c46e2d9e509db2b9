//! The forms in which a suite can be put together.

use std::path::Path;

use chrono::{Days, Utc};
use shared::config::Pooler;
use shared::local::{Certificate, EncryptedRedis, PgBouncer, RedisCluster};

use super::servers::{self, Servers};
use crate::dev_ca::Authority;
use crate::services::{DatabaseForm, NAMES, Role, SuiteOptions};

/// What of a suite differs from the plain one: one database, reached directly, one Redis, no TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// One database for all services, or one for each.
    pub databases: DatabaseForm,
    /// What the services reach PostgreSQL through.
    pub through: Through,
    /// One Redis, or a cluster.
    pub redis: RedisForm,
    /// Whether everything that goes over a wire is encrypted: to the services and between them, to PgBouncer (the private
    /// PostgreSQL has no TLS) and to Redis.
    pub encryption: Encryption,
}

/// What runs around a suite of some forms.
#[derive(Default)]
pub struct Surroundings {
    /// What the services reach PostgreSQL through.
    pub bouncer: Option<PgBouncer>,
    /// What they have for a Redis.
    pub cluster: Option<RedisCluster>,
    /// What they have for a Redis where everything is encrypted.
    pub encrypted_redis: Option<EncryptedRedis>,
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
        let mut certificate_of_postgres = None;
        if self.encryption == Encryption::On {
            let folder = files.join("certificates");
            make_certificates(&folder);
            certificate_of_postgres = Some(certificate(&folder, "postgres"));
            let redis = startencrypted_redis(certificate(&folder, "redis")).await;
            options.redis_url = redis.url.as_str().into();
            options.certificates = Some(folder);
            around.encrypted_redis = Some(redis);
        }
        if self.through == Through::PgBouncer {
            let bouncer = start_bouncer(servers, certificate_of_postgres).await;
            options.postgres = format!("127.0.0.1:{}", bouncer.port);
            options.reaching.database_pooler = Pooler::Transaction;
            around.bouncer = Some(bouncer);
        }
        if self.redis == RedisForm::Cluster {
            let cluster = start_cluster().await;
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

/// A certificate of `dafnck dev-ca`.
fn certificate(folder: &Path, name: &str) -> Certificate {
    let read = |ending: &str| std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap();
    Certificate { chain: read("pem"), key: read("key") }
}

/// Makes certificates for everybody.
fn make_certificates(folder: &Path) {
    let authority = Authority::load_or_make(folder).unwrap();
    let until = Utc::now().date_naive() + Days::new(30);
    for name in NAMES.into_iter().chain(["postgres", "redis"]) {
        authority.issue(name, &["127.0.0.1".to_owned()], until).unwrap();
    }
}

async fn startencrypted_redis(certificate: Certificate) -> EncryptedRedis {
    let cache = servers::workspace().join(".local/cache");
    EncryptedRedis::start(&cache, &certificate, |progress| eprintln!("{progress}")).await.unwrap()
}

/// What is between the services and PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// Nothing.
    #[default]
    Directly,
    /// PgBouncer in transaction mode, with the settings in `deploy/pgbouncer/any-version.ini`.
    PgBouncer,
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

async fn start_cluster() -> RedisCluster {
    let workspace = servers::workspace();
    let settings = workspace.join("deploy/redis/cluster.conf");
    let say = |progress: &str| eprintln!("{progress}");
    RedisCluster::start(&workspace.join(".local/cache"), &settings, QUICK_FAILOVER, say).await.unwrap()
}

/// Starts a PgBouncer for all roles of the services.
async fn start_bouncer(servers: &Servers, certificate: Option<Certificate>) -> PgBouncer {
    let workspace = servers::workspace();
    let users = Role::ALL.map(|role| (role.name(), servers.role_password.expose().to_owned()));
    let settings = workspace.join("deploy/pgbouncer/any-version.ini");
    let postgres = servers.postgres_address();
    let say = |progress: &str| eprintln!("{progress}");
    PgBouncer::start(&workspace.join(".local/cache"), &settings, postgres, &users, certificate, say)
        .await
        .unwrap()
}
