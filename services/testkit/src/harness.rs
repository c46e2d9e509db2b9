//! A test binary declares which services run in its process and which run as programs, and starts suites of them.

use std::path::Path;
use std::time::Duration;

use http::Extensions;
use local_servers::memory_base;
use local_servers::suite::DatabaseTopology;
use tempfile::TempDir;

use super::running_suite::{Services, StartService};
use super::{
    Encryption, RoundTrips, RunningSuite, Sidecars, Suite, SuiteOptions, Topology, plain_options, servers,
    slow_link,
};

/// Long enough that all requests that are sent together arrive before the first response.
const COUNTED_ROUND_TRIP: Duration = Duration::from_millis(20);

/// The services of a test binary.
#[derive(Clone, Default)]
pub struct Harness {
    pub(super) services: Services,
    own: Vec<fn(&mut Extensions, &Path)>,
}

impl Harness {
    /// A harness without services.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a service in the test's process.
    #[must_use]
    pub fn serve(mut self, name: &'static str, start: StartService) -> Self {
        self.services.in_process.push((name, start));
        self
    }

    /// Runs the program of a sibling service that the tested service calls.
    #[must_use]
    pub fn with_program(mut self, name: &'static str) -> Self {
        self.services.programs.push(name);
        self
    }

    /// Serves the services in the test's process also together, on one more port.
    #[must_use]
    pub fn with_gateway(mut self) -> Self {
        self.services.has_gateway = true;
        self
    }

    /// Adds options of a single service. The path is the suite's directory for files.
    #[must_use]
    pub fn with_options(mut self, insert: fn(&mut Extensions, &Path)) -> Self {
        self.own.push(insert);
        self
    }

    /// Starts a suite on servers that all tests of this binary share, in the topology of the environment
    /// ([`Topology::from_environment`]).
    pub async fn start(self) -> Suite {
        self.start_in(Topology::from_environment()).await
    }

    /// As [`Self::start`], with other options.
    pub async fn start_with(self, change: impl FnOnce(&mut SuiteOptions)) -> Suite {
        let topology = Topology::from_environment();
        self.on(servers::shared(topology.encryption).await, topology, change).await
    }

    /// As [`Self::start_with`], in the plain topology.
    pub async fn start_plain_with(self, change: impl FnOnce(&mut SuiteOptions)) -> Suite {
        self.on(servers::shared(Encryption::Off).await, Topology::PLAIN, change).await
    }

    /// As [`Self::start`], on servers with durable writes, as in production.
    pub async fn start_durable(self) -> Suite {
        self.on(servers::shared_durable().await, Topology::PLAIN, |_| {}).await
    }

    /// As [`Self::start_durable`], on servers of its own.
    pub async fn start_durable_alone(self) -> Suite {
        self.start_on_own(servers::start_durable().await, Topology::PLAIN).await
    }

    /// As [`Self::start`], in this topology.
    pub async fn start_in(self, topology: Topology) -> Suite {
        self.on(servers::shared(topology.encryption).await, topology, |_| {}).await
    }

    /// As [`Self::start`], with connections to PostgreSQL in plain text on which round trips are counted.
    pub async fn start_counted(self) -> (Suite, RoundTrips) {
        // With one connection, statements are prepared from the second call on.
        self.start_with_latency(COUNTED_ROUND_TRIP, |options| options.database_pool_size = 1).await
    }

    /// As [`Self::start_counted`], with other options and with this latency for each round trip, so that transactions
    /// last and overlap.
    pub async fn start_with_latency(
        self,
        round_trip: Duration,
        change: impl FnOnce(&mut SuiteOptions),
    ) -> (Suite, RoundTrips) {
        shared::telemetry::carry_traces();
        let mut counted = RoundTrips::default();
        let topology = Topology { encryption: Encryption::Off, ..Topology::from_environment() };
        let suite = self
            .on(servers::shared(topology.encryption).await, topology, |options| {
                let (link, round_trips) = slow_link::start(options.postgres.parse().unwrap(), round_trip);
                options.postgres = link.to_string();
                counted = round_trips;
                change(options);
            })
            .await;
        (suite, counted)
    }

    /// As [`Self::start`], on servers of its own, which the test may stop and start.
    pub async fn start_alone(self) -> Suite {
        self.start_alone_in(Topology::from_environment()).await
    }

    /// As [`Self::start_alone`], in this topology.
    pub async fn start_alone_in(self, topology: Topology) -> Suite {
        self.start_on_own(servers::start(topology.encryption).await, topology).await
    }

    async fn start_on_own(self, own: servers::Servers, topology: Topology) -> Suite {
        let mut suite = self.on(&own, topology, |_| {}).await;
        suite.sidecars = own.sidecars.into();
        suite.servers = Some(own.local);
        suite
    }

    async fn on(
        self,
        servers: &servers::Servers,
        topology: Topology,
        change: impl FnOnce(&mut SuiteOptions),
    ) -> Suite {
        let files = memory_base().map_or_else(TempDir::new, TempDir::new_in).unwrap();
        let database = match topology.databases {
            DatabaseTopology::One => servers.create_database().await,
            DatabaseTopology::Four => servers.create_databases_apart().await,
        };
        let mut own = Extensions::new();
        self.own.iter().for_each(|insert| insert(&mut own, files.path()));
        let common = plain_options(servers, &database, topology.databases, files.path());
        let mut options = SuiteOptions { common, own };
        servers.configure(topology, &mut options, files.path()).await;
        change(&mut options);
        let running = RunningSuite::start(&self.services, &options, files.path()).await;
        Suite {
            admin_url: servers.admin_url(&topology.databases.database_of("identity", &database)),
            siblings: running.siblings().clone(),
            options,
            servers: None,
            sidecars: Sidecars::default(),
            running: Some(running),
            services: self.services,
            files,
        }
    }
}
