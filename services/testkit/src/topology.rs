//! The forms in which a suite can be put together.

use std::path::Path;

use chrono::{Days, Utc};
use local_servers::dev_ca::{self, Authority};
use local_servers::suite::DatabaseTopology;
use local_servers::{Certificate, PgBouncer, RedisCluster, ServerCertificates};

use super::SuiteOptions;
use super::servers::Servers;

/// Names the form that is tried.
const VARIABLE: &str = "DAFNCK_TEST_TOPOLOGY";
/// What it may name.
const NAMED: [(&str, Topology); 6] = [
    ("one", Topology::PLAIN),
    ("four", Topology::FOUR),
    ("pooler", Topology::POOLER),
    ("cluster", Topology::CLUSTER),
    ("encrypted", Topology::ENCRYPTED),
    ("production", Topology::PRODUCTION),
];

/// How a suite is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// One database for all services, or one for each.
    pub databases: DatabaseTopology,
    /// What the services reach PostgreSQL through.
    pub through: Through,
    /// One Redis, or a cluster.
    pub redis: RedisTopology,
    /// Whether everything that goes over a wire is encrypted: to the services and between them, to PgBouncer, PostgreSQL
    /// and Redis.
    pub encryption: Encryption,
}

/// What of a suite that was started alone runs around it in some forms.
#[derive(Default)]
pub struct Sidecars {
    /// What the services reach PostgreSQL through.
    pub bouncer: Option<PgBouncer>,
    /// What they have for a Redis.
    pub cluster: Option<RedisCluster>,
}

impl Topology {
    /// One database, reached directly, one Redis, no TLS.
    pub const PLAIN: Self = Self {
        databases: DatabaseTopology::One,
        through: Through::Directly,
        redis: RedisTopology::One,
        encryption: Encryption::Off,
    };
    pub const FOUR: Self = Self { databases: DatabaseTopology::Four, ..Self::PLAIN };
    pub const POOLER: Self = Self { through: Through::PgBouncer, ..Self::PLAIN };
    pub const CLUSTER: Self = Self { redis: RedisTopology::Cluster, ..Self::PLAIN };
    pub const ENCRYPTED: Self = Self { encryption: Encryption::On, ..Self::PLAIN };
    /// All at once, as `deploy/kubernetes` has it.
    pub const PRODUCTION: Self = Self {
        databases: DatabaseTopology::Four,
        through: Through::PreparingPgBouncer,
        redis: RedisTopology::Cluster,
        encryption: Encryption::On,
    };

    /// The form in which tests run that ask for none: the one that `DAFNCK_TEST_TOPOLOGY` names, or the plain one.
    pub fn tried() -> Self {
        std::env::var(VARIABLE).map_or(Self::PLAIN, |name| Self::named(&name))
    }

    /// The form of this name.
    pub fn named(name: &str) -> Self {
        let names = NAMED.map(|(name, _)| name).join(", ");
        let found = NAMED.into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{VARIABLE} is {name:?}, which is none of: {names}")).1
    }

    /// Starts what this form has around the services, and changes their options accordingly.
    pub(super) async fn surround(self, servers: &Servers, options: &mut SuiteOptions, files: &Path) {
        if let Some(authority) = &servers.authority {
            let folder = files.join("certificates");
            make_certificates(&folder, Some(authority));
            options.certificates = Some(folder);
        }
        servers.put_through(self.through, options).await;
        if self.redis == RedisTopology::Cluster {
            options.redis_url = servers.cluster_url().await;
        }
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::PLAIN
    }
}

/// Whether wires are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Plain text.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Nothing.
    Directly,
    /// PgBouncer in transaction mode, with the settings in `deploy/pgbouncer/any-version.ini`.
    PgBouncer,
    /// A PgBouncer that follows prepared statements, as `docker-compose.yml` has it: with `deploy/pgbouncer/pgbouncer.ini`,
    /// and passwords that it asks for in the databases.
    PreparingPgBouncer,
}

/// What Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One node.
    One,
    /// Three masters with a replica each, with the settings in `deploy/redis/cluster.conf`.
    Cluster,
}
