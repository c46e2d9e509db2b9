//! A suite that the real `dafnck` runs on directories of its own, and what an operator does with it.

mod lines;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::{DateTime, Utc};
use dafnck::backup::manifest::digest;
use dafnck::restore::{Tables, all_fingerprints};
use diesel_async::SimpleAsyncConnection;
use local_servers::RunningPostgres;
use local_servers::suite::DatabaseTopology;
use serde_json::Value;
use shared::config::Secret;
use tempfile::TempDir;
use testkit::{Actor, Service, free_port, terminate};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::dafnck::CommandOutput;

/// Size and hash of each object, by its name.
pub type Objects = BTreeMap<String, (u64, String)>;

/// Directories and ports of a suite, and its process while it runs.
pub struct Machine {
    directory: TempDir,
    ports: [u16; 8],
    databases: DatabaseTopology,
    /// Whether it speaks TLS, and nothing else.
    is_encrypted: bool,
    running: Option<Child>,
}

/// What the tables of a suite hold, in as many databases as it has; `url` makes that of the superuser.
pub async fn tables(url: impl Fn(&str) -> Secret) -> Tables {
    let connect = |name: String| {
        let url = url(&name);
        async move { shared::database::connect(&url).await }
    };
    all_fingerprints(connect).await.unwrap()
}

impl Machine {
    pub fn new() -> Self {
        Self::with(DatabaseTopology::One)
    }

    pub fn with(databases: DatabaseTopology) -> Self {
        Self::of(databases, false)
    }

    pub fn encrypted() -> Self {
        Self::of(DatabaseTopology::One, true)
    }

    fn of(databases: DatabaseTopology, is_encrypted: bool) -> Self {
        // The servers' user, another one when root runs the tests, passes through.
        let directory =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let ports = [(); 8].map(|()| free_port().unwrap());
        Self { directory, ports, databases, is_encrypted, running: None }
    }

    /// The URL of a service's port, in plain text.
    pub fn url(&self, service: Service) -> String {
        format!("http://127.0.0.1:{}", self.ports[service as usize])
    }

    /// The URL of the console's port.
    pub fn console_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[7])
    }

    /// The URL of the port of all services.
    pub fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[6])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dafnck"));
        command.args(arguments).env("DAFNCK_CACHE_DIRECTORY", cache).kill_on_drop(true);
        command
    }

    /// Runs the suite on a data directory; what it says when it runs.
    pub async fn start(&mut self, data: &str) -> String {
        self.start_with(data, &[]).await
    }

    /// The same, with further environment variables.
    pub async fn start_with(&mut self, data: &str, variables: &[(&str, &str)]) -> String {
        self.started(self.run_command(data, variables), "To take over data").await
    }

    /// Runs the suite as it ran the last time; where it says that it runs.
    pub async fn start_again(&mut self, data: &str) -> Value {
        let command = self.command(&["--json", "--data-directory", self.path(data).to_str().unwrap()]);
        serde_json::from_str(&self.started(command, r#"{"services":"#).await).unwrap()
    }

    /// Runs the suite until it has said this; what it has said.
    async fn started(&mut self, mut command: Command, last_words: &str) -> String {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut summary = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            summary += &line;
            summary.push('\n');
            if line.contains(last_words) {
                // Nobody reads what else it says, and it must be able to say it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                self.running = Some(child);
                return summary;
            }
        }
        panic!("the suite did not start: {:?}", child.wait().await);
    }

    /// How the suite is run on a data directory.
    pub fn run_command(&self, data: &str, variables: &[(&str, &str)]) -> Command {
        let [a, b, c, d, ..] = self.ports.map(|port| port.to_string());
        let data = self.path(data);
        let arguments =
            ["run", "--data-directory", data.to_str().unwrap(), "--ports", &[a, b, c, d].join(",")];
        let mut command = self.command(&arguments);
        command.args(["--databases", if self.databases == DatabaseTopology::Four { "four" } else { "one" }]);
        command.args(self.is_encrypted.then_some("--tls"));
        for (name, port) in ["postgres", "redis", "gateway", "console"].iter().zip(&self.ports[4..]) {
            command.args([format!("--{name}-port"), port.to_string()]);
        }
        command.envs(variables.iter().copied());
        command
    }

    /// Ends the suite without a warning, and waits for its servers to end.
    pub async fn kill(&mut self) {
        self.running.take().unwrap().kill().await.unwrap();
        self.servers_have_ended().await;
    }

    /// Waits until nobody listens on the ports of the servers.
    pub async fn servers_have_ended(&self) {
        for port in [self.ports[4], self.ports[5]] {
            while TcpListener::bind(("127.0.0.1", port)).is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }

    /// Ends the suite as Ctrl-C does.
    pub async fn stop(&mut self) {
        let mut process = self.running.take().unwrap();
        terminate(process.id().unwrap());
        assert!(process.wait().await.unwrap().success());
    }

    /// Runs a command of the operator on a data directory.
    pub async fn run(&self, data: &str, arguments: &[&str]) -> CommandOutput {
        CommandOutput::run(&mut self.on(data, arguments)).await
    }

    /// The same, as a success or not; its words on both outputs.
    pub async fn operate(&self, data: &str, arguments: &[&str]) -> Result<String, String> {
        let CommandOutput { code, out, err } = self.run(data, arguments).await;
        let words = out + &err;
        if code == Some(0) { Ok(words) } else { Err(words) }
    }

    /// How the suite is, by itself: without a word on where its backup is.
    pub async fn doctor(&self, data: &str) -> CommandOutput {
        CommandOutput::run(self.on(data, &["doctor"]).env_remove("DAFNCK_BACKUP_DIRECTORY")).await
    }

    /// How a command of the operator is run on a data directory.
    pub fn on(&self, data: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command
            .env("DAFNCK_DATA_DIRECTORY", self.path(data))
            .env("DAFNCK_BACKUP_DIRECTORY", self.path("backup"));
        command
    }

    /// A backup that is being made.
    pub fn begin_backup(&self, data: &str) -> Child {
        let mut command = self.on(data, &["backup"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
    }

    /// Restores the backup directory of this name.
    pub async fn restore(&self, from: &str, at: &str, into: &str) -> Result<String, String> {
        self.restore_with(&[], from, at, into).await
    }

    /// The same, with more arguments.
    pub async fn restore_with(
        &self,
        more: &[&str],
        from: &str,
        at: &str,
        into: &str,
    ) -> Result<String, String> {
        let [from, into] = [from, into].map(|name| self.path(name).to_str().unwrap().to_owned());
        let arguments = ["restore", "--backup-directory", &from, "--at", at, "--into", &into];
        self.operate("none", &[&arguments, more].concat()).await
    }

    /// A new user, signed in, at the one port of the suite that runs on this data directory.
    pub async fn register(&self, data: &str, name: &str) -> Actor {
        let authority = self.path(data).join("certificates/ca.pem");
        let tls = self.is_encrypted.then(|| {
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(authority).unwrap()))
        });
        let port = self.ports[6];
        let channel = match tls {
            None => Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect_lazy(),
            Some(tls) => {
                let endpoint = Channel::from_shared(format!("https://localhost:{port}")).unwrap();
                endpoint.tls_config(tls).unwrap().connect_lazy()
            }
        };
        Actor::register_over([(); 4].map(|()| channel.clone()), name).await
    }

    /// Takes over a project with this many large tasks, a few documents and files.
    pub async fn import(&self, data: &str, name: &str, tasks: usize) {
        let file = self.path(&format!("{name}.jsonl"));
        fs::write(&file, lines::lines(name, tasks).join("\n")).unwrap();
        let report = self.operate(data, &["import", file.to_str().unwrap()]).await.unwrap();
        let refused = |line: &str| {
            line.split_whitespace()
                .nth(3)
                .is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0))
        };
        assert!(!report.lines().any(refused), "{report}");
    }

    /// A moment at which nothing happened, and what all tables and the file store held then.
    pub async fn moment(&self, data: &str) -> (DateTime<Utc>, Tables, Objects) {
        let postgres = RunningPostgres::find(&self.path(data)).unwrap();
        let mut before = tables(|name| postgres.admin_url(name)).await;
        loop {
            let moment = Utc::now();
            let after = tables(|name| postgres.admin_url(name)).await;
            if before == after {
                return (moment, after, self.objects(data));
            }
            before = after;
        }
    }

    /// Changes the one database as superuser.
    pub async fn execute(&self, data: &str, statement: &str) {
        let url = RunningPostgres::find(&self.path(data)).unwrap().admin_url("dafnck");
        let mut admin = shared::database::connect(&url).await.unwrap();
        admin.batch_execute(statement).await.unwrap();
    }

    /// The objects of the file store.
    pub fn objects(&self, data: &str) -> Objects {
        let root = self.path(data).join("files");
        let objects = files_below(&root).into_iter();
        objects.map(|path| (name_below(&root, &path), digest(&path).unwrap())).collect()
    }

    /// A changed bit in the middle of a file. Doing it twice undoes it.
    pub fn damage(&self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    /// A file of the backup that fits.
    pub fn find(&self, below: &str, fits: impl Fn(&Path) -> bool) -> PathBuf {
        let mut found = files_below(&self.path(below));
        found.sort();
        found.into_iter().find(|path| fits(path)).unwrap()
    }
}

pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn name_below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}
