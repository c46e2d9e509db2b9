//! Servers that only some topologies need: PgBouncer, and a Redis Cluster instead of the single Redis.
//!
//! They start with the first suite that needs them and serve all suites on the same servers.

use local_servers::{PgBouncer, RedisCluster};
use tokio::sync::OnceCell;

/// The servers of some topologies, in a suite that was started alone.
#[derive(Default)]
pub struct Sidecars {
    pub bouncer: Option<PgBouncer>,
    pub cluster: Option<RedisCluster>,
}

/// The sidecars that have been started so far.
#[derive(Default)]
pub(super) struct SharedSidecars {
    pub bouncer: OnceCell<PgBouncer>,
    pub bouncer_before_121: OnceCell<PgBouncer>,
    pub cluster: OnceCell<RedisCluster>,
}

impl From<SharedSidecars> for Sidecars {
    fn from(shared: SharedSidecars) -> Self {
        let SharedSidecars { bouncer, bouncer_before_121, cluster } = shared;
        let bouncer = bouncer.into_inner().or(bouncer_before_121.into_inner());
        Self { bouncer, cluster: cluster.into_inner() }
    }
}
