//! A Redis Cluster of three masters with a replica each, for tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use local_servers::ServerCertificates;
use local_servers::redis_users::RedisUsers;
use local_servers::tools::{
    OsUser, Program, find_or_install_redis, free_port, reachable, require_free_port, run,
};

use crate::supervised_process::{ServerDirectory, SupervisedProcess};

const NODES: usize = 6;
const SERVER: &str = "redis-server";
const CLIENT: &str = "redis-cli";
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// Each node asks all the others, on a busy machine encrypted.
const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long the nodes may take to agree, at first and after one has gone.
const AGREE_TIMEOUT: Duration = Duration::from_secs(60);
/// A node's bus listens so far above its port.
const BUS: u16 = 10_000;
const AUTHORITY: &str = "ca.pem";

/// The running nodes.
pub struct RedisCluster {
    password: String,
    users: RedisUsers,
    program: Program,
    /// For all nodes, where clients, bus and replication are encrypted.
    certificates: Option<ServerCertificates>,
    nodes: Vec<Node>,
}

struct Node {
    port: u16,
    server: SupervisedProcess,
    /// Its own copy of the authorities, where it is encrypted.
    authority: PathBuf,
}

impl RedisCluster {
    /// Starts six nodes with the settings of this file and these lines after them, and makes them a cluster. With
    /// certificates they speak TLS and nothing else.
    ///
    /// # Errors
    /// When Redis cannot be found or fetched, or the nodes do not agree in time.
    pub async fn start(
        cache: &Path,
        settings: &Path,
        more: &str,
        certificates: Option<ServerCertificates>,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let identity = OsUser::of_servers();
        let (cache, _) = reachable(cache, identity)?;
        let program = find_or_install_redis(None, &cache, identity, &progress).await?;
        let settings = std::fs::read_to_string(settings).context("cannot read the settings of the nodes")?;
        let password = hex::encode(rand::random::<[u8; 32]>());
        let users = RedisUsers::random();
        let mut cluster = Self { password, users, program, certificates, nodes: Vec::new() };
        for _ in 0..NODES {
            let node = cluster.start_node(&format!("{settings}\n{more}\n"))?;
            cluster.nodes.push(node);
        }
        for node in &cluster.nodes {
            node.server.wait_until(async || cluster.ask(node.port, &["PING"]).await.is_ok()).await?;
        }
        cluster.join().await?;
        Ok(cluster)
    }

    fn start_node(&self, settings: &str) -> Result<Node> {
        let (place, port) = (ServerDirectory::make()?, free_with_bus()?);
        let Self { password, .. } = self;
        let users = self.users.configuration();
        let (directory, listen) = (place.directory.display(), self.listen(&place, port)?);
        let own = format!(
            "{settings}bind 127.0.0.1\n{listen}dir {directory}\nrequirepass {password}\nmasterauth {password}\n{users}"
        );
        let configuration = place.write("redis.conf", &own)?;
        let configuration = configuration.to_str().context("the directory's path is not UTF-8")?;
        let server = SupervisedProcess::spawn(&place, &self.program, SERVER, &[configuration])?;
        Ok(Node { port, server, authority: place.directory.join(AUTHORITY) })
    }

    fn listen(&self, place: &ServerDirectory, port: u16) -> Result<String> {
        let Some(ServerCertificates { authority, redis, .. }) = &self.certificates else {
            return Ok(format!("port {port}\n"));
        };
        let chain = place.write("chain.pem", &redis.chain)?;
        let key = place.write("key.pem", redis.key.expose())?;
        let authority = place.write(AUTHORITY, authority)?;
        let [chain, key, authority] = [&chain, &key, &authority].map(|file| file.display());
        Ok(format!(
            "port 0\ntls-port {port}\ntls-cluster yes\ntls-replication yes\ntls-auth-clients no\n\
             tls-cert-file {chain}\ntls-key-file {key}\ntls-ca-cert-file {authority}\n"
        ))
    }

    async fn join(&self) -> Result<()> {
        let addresses: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut words = vec!["--cluster", "create"];
        words.extend(addresses.iter().map(String::as_str));
        words.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        self.run_client(&words, JOIN_TIMEOUT).await?;
        self.agree(NODES, 0).await
    }

    /// The services' users.
    #[must_use]
    pub fn users(&self) -> &RedisUsers {
        &self.users
    }

    /// The administrator's URL, which names half of the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter().take(NODES / 2);
        let nodes: Vec<String> = nodes.map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        format!("{scheme}-cluster://:{}@{}", self.password, nodes.join(","))
    }

    /// Kills a master with `kill -9`; the others will notice.
    ///
    /// # Errors
    /// When there is no master left to kill.
    pub async fn kill_a_master(&mut self) -> Result<()> {
        for place in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(place) else { break };
            if self.ask(node.port, &["ROLE"]).await?.starts_with("master") {
                let node = self.nodes.remove(place);
                return node.server.signal(Signal::KILL);
            }
        }
        bail!("no node is a master")
    }

    /// Waits until all nodes that are left know that a replica has taken over.
    ///
    /// # Errors
    /// When they do not agree in time.
    pub async fn has_failed_over(&self) -> Result<()> {
        self.agree(NODES, NODES - self.nodes.len()).await
    }

    /// Every node knows all, so many of them as failed, and every slot has a master.
    async fn agree(&self, known: usize, failed: usize) -> Result<()> {
        let deadline = Instant::now() + AGREE_TIMEOUT;
        while !self.agrees(known, failed).await? {
            if Instant::now() > deadline {
                bail!("the nodes of the cluster do not agree");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    async fn agrees(&self, known: usize, failed: usize) -> Result<bool> {
        for node in &self.nodes {
            let state = self.ask(node.port, &["CLUSTER", "INFO"]).await?;
            let nodes = self.ask(node.port, &["CLUSTER", "NODES"]).await?;
            let masters =
                nodes.lines().filter(|line| line.contains("master") && !line.contains("fail")).count();
            let is_settled = state.contains("cluster_state:ok")
                && state.contains("cluster_slots_ok:16384")
                && masters == NODES / 2
                && nodes.lines().count() == known
                && nodes.lines().filter(|line| line.contains(",fail ")).count() == failed;
            if !is_settled {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ask(&self, port: u16, words: &[&str]) -> Result<String> {
        let port = port.to_string();
        self.run_client(&[&["-p", &port], words].concat(), ASK_TIMEOUT).await
    }

    async fn run_client(&self, words: &[&str], limit: Duration) -> Result<String> {
        let mut command = Command::new(self.program.directory.join(CLIENT));
        // Before the words: they may end with a command of Redis.
        if self.certificates.is_some() {
            let authority = self.nodes.first().map(|node| node.authority.as_path());
            command.arg("--tls").arg("--cacert").arg(authority.context("no node is left")?);
        }
        command.args(words).env("REDISCLI_AUTH", &self.password);
        command.envs(self.program.library_path.as_ref().map(|path| ("LD_LIBRARY_PATH", path)));
        run(command, limit).await
    }
}

/// A port that is free together with that of the bus.
fn free_with_bus() -> Result<u16> {
    loop {
        let port = free_port()?;
        if require_free_port("the bus of Redis", port + BUS).is_ok() {
            return Ok(port);
        }
    }
}
