//! The address of Redis: one node, or some of the nodes of a cluster.

use std::path::{Path, PathBuf};

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates};

use crate::config::Secret;
use crate::error::{Error, Result};

/// Separates the scheme of a node from the rest in the URL of a cluster.
const CLUSTER: &str = "-cluster://";

/// The address of Redis.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The node, or the named ones of a cluster, from which the others are discovered.
    pub(super) nodes: Vec<ConnectionInfo>,
    pub(super) is_cluster: bool,
    /// The authorities that the nodes' certificates are checked against; `None` for those of the machine.
    tls_ca: Option<PathBuf>,
}

impl Address {
    /// `redis://user:password@host:6379`, or `redis-cluster://user:password@one:6379,other:6379`; with TLS `rediss`.
    ///
    /// # Errors
    /// `INTERNAL` for anything else, without the URL: it may hold a password.
    pub(super) fn parse(url: &Secret, tls_ca: Option<&Path>) -> Result<Self> {
        let parsed = match url.expose().split_once(CLUSTER) {
            None => url.expose().into_connection_info().map(|node| (vec![node], false)),
            Some((scheme, rest)) => cluster_nodes(scheme, rest).map(|nodes| (nodes, true)),
        };
        let (nodes, is_cluster) = parsed.map_err(|_| Error::internal("the Redis URL is malformed"))?;
        // Authorities imply encryption.
        if tls_ca.is_some() && !nodes.iter().all(is_encrypted) {
            return Err(Error::internal(
                "authorities for Redis are given, but its URL is not one of `rediss`",
            ));
        }
        Ok(Self { nodes, is_cluster, tls_ca: tls_ca.map(Path::to_owned) })
    }

    /// A client of one node, with the authorities as they are in their file now.
    pub(super) fn client(&self, node: &ConnectionInfo) -> RedisResult<Client> {
        if self.tls_ca.is_some() && is_encrypted(node) {
            return Client::build_with_tls(node.clone(), self.certificates()?);
        }
        Client::open(node.clone())
    }

    /// A client of the cluster, likewise.
    pub(super) fn cluster(&self) -> RedisResult<ClusterClientBuilder> {
        let builder = ClusterClient::builder(self.nodes.clone());
        Ok(if self.tls_ca.is_some() { builder.certs(self.certificates()?) } else { builder })
    }

    /// The authorities, if not those of the machine.
    pub(super) fn authorities(&self) -> Option<&Path> {
        self.tls_ca.as_deref()
    }

    fn certificates(&self) -> RedisResult<TlsCertificates> {
        let root_cert = self.tls_ca.as_ref().map(std::fs::read).transpose()?;
        Ok(TlsCertificates { client_tls: None, root_cert })
    }
}

fn is_encrypted(node: &ConnectionInfo) -> bool {
    matches!(node.addr(), ConnectionAddr::TcpTls { .. })
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
        let address = Address::parse(&url.into(), None)?;
        Ok(address.nodes.iter().map(|node| node.addr().to_string()).collect())
    }

    #[test]
    fn a_url_names_one_node_or_several() {
        assert_eq!(nodes("redis://:secret@a:1/0").unwrap(), ["a:1"]);
        assert_eq!(nodes("redis-cluster://:secret@a:1,b:2,c:3").unwrap(), ["a:1", "b:2", "c:3"]);
        assert_eq!(nodes("rediss-cluster://a:1,b:2").unwrap(), ["a:1", "b:2"]);
    }

    #[test]
    fn authorities_rule_out_plain_text() {
        let ca = Some(Path::new("/ca.pem"));
        assert!(Address::parse(&"rediss-cluster://a:1,b:2".into(), ca).is_ok());
        for url in ["redis://a:1", "redis-cluster://a:1,b:2"] {
            let refusal = format!("{:?}", Address::parse(&url.into(), ca).unwrap_err());
            assert!(refusal.contains("rediss"), "{refusal}");
        }
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_repeated() {
        for url in ["", "postgres://secret@a:1", "x-cluster://secret@a:1", "redis-cluster://secret@"] {
            let refusal = format!("{:?}", nodes(url).unwrap_err());
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
