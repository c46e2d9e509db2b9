//! A connection to one node or to a cluster: commands go the same way into both.

use bb8::ManageConnection;
use bb8_redis::RedisConnectionManager;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, ErrorKind, Pipeline, RedisFuture, RedisResult, Value};

use super::OPERATION_TIMEOUT;
use super::address::Address;

/// Retries of a command when a node of a cluster does not answer or no longer has the slot.
const CLUSTER_RETRIES: u32 = 3;

/// Connects to where Redis is.
pub(super) async fn connect(address: &Address) -> RedisResult<Wire> {
    let [node, ..] = address.nodes.as_slice() else {
        return Err((ErrorKind::InvalidClientConfig, "the Redis URL names no node").into());
    };
    if address.is_cluster {
        return Ok(Wire::Cluster(cluster(address)?.get_async_connection().await?));
    }
    // The manager of bb8-redis takes no authorities.
    let mut connection = match address.authorities() {
        None => RedisConnectionManager::new(node.clone())?.connect().await?,
        Some(_) => address.client(node)?.get_multiplexed_async_connection().await?,
    };
    connection.set_response_timeout(OPERATION_TIMEOUT);
    Ok(Wire::One(connection))
}

fn cluster(address: &Address) -> RedisResult<ClusterClient> {
    address
        .cluster()?
        .connection_timeout(OPERATION_TIMEOUT)
        .response_timeout(OPERATION_TIMEOUT)
        .retries(CLUSTER_RETRIES)
        .build()
}

/// One multiplexed connection, to a node or to all nodes.
#[derive(Clone)]
pub(super) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Wire {
    /// Whether it replaces broken connections itself, as a cluster's does.
    pub(super) fn reconnects_itself(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Publishes on a channel. In a cluster any node passes it on to all the others, so the one that happens to have the
    /// slot of the channel's name need not be there.
    pub(super) async fn publish(&mut self, channel: &str, message: &str) -> RedisResult<()> {
        let command = Cmd::publish(channel, message);
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                connection.route_command(command, any).await.map(drop)
            }
        }
    }
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
