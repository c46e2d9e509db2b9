//! A second PostgreSQL cluster, to which a suite's data is moved.

use std::path::Path;

use local_servers::suite::{DatabaseTopology, NAMES};

use super::{Encryption, Suite, servers};

/// Another cluster with four empty databases.
pub struct TargetCluster {
    servers: servers::Servers,
}

/// Prefix of the four databases' names.
const DATABASE_PREFIX: &str = "moved";

impl TargetCluster {
    pub async fn start() -> Self {
        let servers = servers::start(Encryption::Off).await;
        for service in NAMES {
            servers.create_named(&DatabaseTopology::Four.database_of(service, DATABASE_PREFIX)).await;
        }
        Self { servers }
    }

    /// The superuser's URL, with the placeholder `{service}` for the service's name.
    pub fn admin_url(&self) -> String {
        self.servers
            .admin_url(&DatabaseTopology::Four.database_of("{service}", DATABASE_PREFIX))
            .expose()
            .to_owned()
    }

    /// Starts the services of a stopped suite on this cluster.
    pub async fn move_suite(self, mut suite: Suite) -> Suite {
        suite.options.postgres = self.servers.postgres_address().to_string();
        suite.options.role_passwords = self.servers.role_passwords.clone();
        suite.options.databases = DatabaseTopology::Four;
        DATABASE_PREFIX.clone_into(&mut suite.options.database);
        suite.options.redis_url = self.servers.local.redis.url();
        suite.options.redis_users = self.servers.local.redis.users().clone();
        suite.admin_url =
            self.servers.admin_url(&DatabaseTopology::Four.database_of("identity", DATABASE_PREFIX));
        suite.restart().await;
        suite.servers = Some(self.servers.local);
        suite
    }

    /// The directory of PostgreSQL's programs.
    pub fn programs(&self) -> &Path {
        &self.servers.local.postgres.programs
    }
}
