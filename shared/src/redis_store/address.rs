//! Where Redis is: one node, or some of the nodes of a cluster.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisResult};

use crate::config::Secret;
use crate::error::{Error, Result};

/// What the scheme of a cluster's URL has more than that of its nodes.
const CLUSTER: &str = "-cluster://";

/// Where Redis is.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The node, or those of the cluster that are named; they tell where the others are.
    pub(super) nodes: Vec<ConnectionInfo>,
    pub(super) is_cluster: bool,
}

impl Address {
    /// `redis://user:password@host:6379`, or `redis-cluster://user:password@one:6379,other:6379`; with TLS `rediss`.
    ///
    /// # Errors
    /// `INTERNAL` for anything else, without the URL: it may hold a password.
    pub(super) fn parse(url: &Secret) -> Result<Self> {
        let parsed = match url.expose().split_once(CLUSTER) {
            None => {
                url.expose().into_connection_info().map(|node| Self { nodes: vec![node], is_cluster: false })
            }
            Some((scheme, rest)) => cluster_nodes(scheme, rest).map(|nodes| Self { nodes, is_cluster: true }),
        };
        parsed.map_err(|_| Error::internal("the Redis URL is malformed"))
    }
}

fn cluster_nodes(scheme: &str, rest: &str) -> RedisResult<Vec<ConnectionInfo>> {
    let (user, nodes) = rest.rsplit_once('@').map_or(("", rest), |(user, nodes)| (user, nodes));
    let at = if user.is_empty() { "" } else { "@" };
    nodes.split(',').map(|node| format!("{scheme}://{user}{at}{node}").into_connection_info()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(url: &str) -> Result<Vec<String>> {
        let address = Address::parse(&url.into())?;
        Ok(address.nodes.iter().map(|node| node.addr().to_string()).collect())
    }

    #[test]
    fn a_url_names_one_node_or_several() {
        assert_eq!(nodes("redis://:secret@a:1/0").unwrap(), ["a:1"]);
        assert_eq!(nodes("redis-cluster://:secret@a:1,b:2,c:3").unwrap(), ["a:1", "b:2", "c:3"]);
        assert_eq!(nodes("rediss-cluster://a:1,b:2").unwrap(), ["a:1", "b:2"]);
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_repeated() {
        for url in ["", "postgres://secret@a:1", "x-cluster://secret@a:1", "redis-cluster://secret@"] {
            let refusal = format!("{:?}", nodes(url).unwrap_err());
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
