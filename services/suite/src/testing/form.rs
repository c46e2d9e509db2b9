//! The forms in which a suite can be put together.

use shared::local::{PgBouncer, RedisCluster};

use super::servers::{self, Servers};
use crate::services::{DatabaseForm, Role};

/// What of a suite differs from the plain one: one database, reached directly, one Redis, no TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// One database for all services, or one for each.
    pub databases: DatabaseForm,
    /// What the services reach PostgreSQL through.
    pub through: Through,
    /// One Redis, or a cluster.
    pub redis: RedisForm,
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

pub(super) async fn start_cluster() -> RedisCluster {
    let workspace = servers::workspace();
    let settings = workspace.join("deploy/redis/cluster.conf");
    let say = |progress: &str| eprintln!("{progress}");
    RedisCluster::start(&workspace.join(".local/cache"), &settings, QUICK_FAILOVER, say).await.unwrap()
}

/// Starts a PgBouncer for all roles of the services.
pub(super) async fn start_bouncer(servers: &Servers) -> PgBouncer {
    let workspace = servers::workspace();
    let users = Role::ALL.map(|role| (role.name(), servers.role_password.expose().to_owned()));
    let settings = workspace.join("deploy/pgbouncer/any-version.ini");
    let postgres = servers.postgres_address();
    let say = |progress: &str| eprintln!("{progress}");
    PgBouncer::start(&workspace.join(".local/cache"), &settings, postgres, &users, say).await.unwrap()
}
