//! Servers that only some topologies need: PgBouncer, and a Redis Cluster instead of the single Redis.
//!
//! They start with the first suite that needs them and serve all suites on the same servers.

use tokio::sync::OnceCell;

use super::{PgBouncer, RedisCluster};

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
    pub cluster: OnceCell<RedisCluster>,
}

impl From<SharedSidecars> for Sidecars {
    fn from(shared: SharedSidecars) -> Self {
        let SharedSidecars { bouncer, cluster } = shared;
        Self { bouncer: bouncer.into_inner(), cluster: cluster.into_inner() }
    }
}
