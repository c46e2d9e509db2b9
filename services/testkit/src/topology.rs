//! The topologies in which a suite can run.

use local_servers::suite::DatabaseTopology;

/// The environment variable that names the topology for tests that choose none.
const VARIABLE: &str = "DAFNCK_TEST_TOPOLOGY";
const NAMED: [(&str, Topology); 6] = [
    ("one", Topology::PLAIN),
    ("four", Topology::FOUR),
    ("pooler", Topology::POOLER),
    ("cluster", Topology::CLUSTER),
    ("encrypted", Topology::ENCRYPTED),
    ("production", Topology::PRODUCTION),
];

/// Databases, pooling, Redis and encryption of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// One database for all services, or one for each.
    pub databases: DatabaseTopology,
    /// What the services connect through to PostgreSQL.
    pub pooling: Pooling,
    pub redis: RedisTopology,
    /// Applies to every connection: to the services and between them, to PgBouncer, PostgreSQL and Redis.
    pub encryption: Encryption,
}

impl Topology {
    /// One database without PgBouncer, one Redis, no TLS.
    pub const PLAIN: Self = Self {
        databases: DatabaseTopology::One,
        pooling: Pooling::None,
        redis: RedisTopology::One,
        encryption: Encryption::Off,
    };
    pub const FOUR: Self = Self { databases: DatabaseTopology::Four, ..Self::PLAIN };
    pub const POOLER: Self = Self { pooling: Pooling::PgBouncer, ..Self::PLAIN };
    pub const CLUSTER: Self = Self { redis: RedisTopology::Cluster, ..Self::PLAIN };
    pub const ENCRYPTED: Self = Self { encryption: Encryption::On, ..Self::PLAIN };
    /// Everything at once, as in `deploy/kubernetes`.
    pub const PRODUCTION: Self = Self {
        databases: DatabaseTopology::Four,
        pooling: Pooling::PgBouncer,
        redis: RedisTopology::Cluster,
        encryption: Encryption::On,
    };

    /// The topology that `DAFNCK_TEST_TOPOLOGY` names, or the plain one: for tests that choose none.
    pub fn from_environment() -> Self {
        std::env::var(VARIABLE).map_or(Self::PLAIN, |name| Self::named(&name))
    }

    pub fn named(name: &str) -> Self {
        let names = NAMED.map(|(name, _)| name).join(", ");
        let found = NAMED.into_iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{VARIABLE} is {name:?}, which is none of: {names}")).1
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::PLAIN
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Plain text.
    Off,
    /// TLS everywhere, with certificates of `dafnck dev-ca`.
    On,
}

/// The connection pooler between the services and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    None,
    /// PgBouncer in transaction mode that tracks prepared statements, as in `docker-compose.yml`: with
    /// `deploy/pgbouncer/pgbouncer.ini`, and it queries the databases for passwords.
    PgBouncer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    One,
    /// Three masters with a replica each, with the settings in `deploy/redis/cluster.conf`.
    Cluster,
}
