//! A second PostgreSQL, to which a suite's data is moved.

use std::path::Path;

use local_servers::suite::{DatabaseTopology, NAMES};

use super::{Encryption, Suite, servers};

/// Another cluster with four databases, still empty.
pub struct TargetCluster {
    servers: servers::Servers,
}

/// What the names of the four databases begin with.
const DATABASE: &str = "moved";

impl TargetCluster {
    pub async fn start() -> Self {
        let servers = servers::start(Encryption::Off).await;
        for service in NAMES {
            servers.create_named(&DatabaseTopology::Four.database_of(service, DATABASE)).await;
        }
        Self { servers }
    }

    /// The superuser's URL, with `{service}` in the place of the service's name.
    pub fn admin_url(&self) -> String {
        self.servers.admin_url(&DatabaseTopology::Four.database_of("{service}", DATABASE)).expose().to_owned()
    }

    /// Starts the services of a suite that has been stopped on the data here.
    pub async fn move_suite(self, mut suite: Suite) -> Suite {
        suite.options.postgres = self.servers.postgres_address().to_string();
        suite.options.role_password = self.servers.role_password.clone();
        suite.options.databases = DatabaseTopology::Four;
        DATABASE.clone_into(&mut suite.options.database);
        suite.options.redis_url = self.servers.local.redis.url();
        suite.admin_url = self.servers.admin_url(&DatabaseTopology::Four.database_of("identity", DATABASE));
        suite.restart().await;
        suite.servers = Some(self.servers.local);
        suite
    }

    /// The folder with PostgreSQL's programs.
    pub fn programs(&self) -> &Path {
        &self.servers.local.postgres.programs
    }
}
