//! The Redis server: its configuration, starting and stopping it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificates::TlsDirectory;
use crate::command::OsUser;
use crate::connection_info::ConnectionInfo;
use crate::data_directory::OpenDataDirectory;
use crate::guard::Guard;
use crate::paths::make_server_directory;
use crate::ports;
use crate::process::{START_TIMEOUT, ServerCommand, ServerProcess, StopSteps, pid_file, stop_leftover};
use crate::provision::Program;
use crate::redis_users::RedisUsers;
use shared::config::Secret;
use shared::tls;

pub(crate) const NAME: &str = "redis";
const PROGRAM: &str = "redis-server";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// For SHUTDOWN, which may have to save everything first.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_STEPS: &StopSteps =
    &[(Signal::TERM, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(10))];

const LASTING: &str = "appendonly yes\nappendfsync everysec\nsave 3600 1 300 100 60 10000\n";
const THROWAWAY: &str = "appendonly no\nsave \"\"\n";

/// A running Redis server.
pub struct RedisServer {
    /// Loopback TCP port.
    pub port: u16,
    /// As the server names it, for example `7.0.15`.
    pub version: String,
    directory: PathBuf,
    program: Program,
    connection: ConnectionInfo,
    tls: Option<TlsDirectory>,
    root: PathBuf,
    temporary: bool,
    durable: bool,
    identity: OsUser,
    users: RedisUsers,
}

impl RedisServer {
    /// The server on this data directory, not started yet.
    pub(crate) fn prepare(
        data: &OpenDataDirectory,
        program: Program,
        port: u16,
        tls: Option<TlsDirectory>,
    ) -> Result<Self> {
        make_server_directory(&data.redis(), data.identity)?;
        Ok(Self {
            port,
            version: program.version.clone(),
            directory: data.redis(),
            program,
            connection: data.connection_info(tls.as_ref().map(TlsDirectory::authority)),
            tls,
            root: data.path.clone(),
            temporary: data.temporary,
            durable: data.durable,
            identity: data.identity,
            users: RedisUsers::random(),
        })
    }

    /// The services' users.
    #[must_use]
    pub fn users(&self) -> &RedisUsers {
        &self.users
    }

    /// A connection URL with the administrator's password, for database 0.
    #[must_use]
    pub fn url(&self) -> Secret {
        self.connection.redis_url(self.port)
    }

    /// Stops a server of ours left on this directory.
    pub(crate) async fn stop_leftover(data: &OpenDataDirectory) -> Result<bool> {
        stop_leftover(&pid_file(&data.path, NAME), PROGRAM, &data.redis(), STOP_STEPS).await
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&self, guard: &Guard) -> Result<ServerProcess> {
        ports::require_free("Redis", self.port)?;
        let directory = self.directory.to_str().context("the data directory's path is not UTF-8")?;
        let command_line = ServerCommand {
            name: NAME,
            program: &self.program.directory.join(PROGRAM),
            // `-` takes the configuration from standard input: the password is then in no list of processes.
            arguments: ["-", "--dir", directory].map(str::to_owned).into(),
            library_path: self.program.library_path.as_deref(),
            input: self.configuration(),
            data: &self.root,
            identity: self.identity,
        };
        let mut process = ServerProcess::spawn(command_line, guard)?;
        process.wait_until(START_TIMEOUT, || self.answers()).await?;
        Ok(process)
    }

    /// SHUTDOWN, saving lasting data; by signals if it does not obey.
    pub(crate) async fn stop(&self, process: &mut ServerProcess) -> Result<()> {
        let command = if self.temporary { "SHUTDOWN NOSAVE" } else { "SHUTDOWN SAVE" };
        // It answers by ending; if it does not end, signals follow.
        if self.ask(command).await.is_ok_and(|answer| !answer.contains("-ERR"))
            && process.ended_within(SHUTDOWN_TIMEOUT).await?
        {
            return Ok(());
        }
        process.stop(STOP_STEPS).await
    }

    /// The process title stays what we started, because that is how a leftover is recognised.
    fn configuration(&self) -> String {
        let durability = if self.durable { LASTING } else { THROWAWAY };
        let (port, password) = (self.port, self.connection.redis_password());
        let listen = match &self.tls {
            None => format!("port {port}\n"),
            Some(tls) => {
                let [certificate, key] = tls.redis_settings().map(|(name, file)| format!("{name} {file}\n"));
                format!("port 0\ntls-port {port}\ntls-auth-clients no\n{certificate}{key}")
            }
        };
        let users = self.users.configuration();
        format!(
            "bind 127.0.0.1\n{listen}requirepass {password}\n{users}set-proc-title no\ndaemonize no\nlogfile \"\"\n\
             {durability}"
        )
    }

    /// New connections find the certificate that is in the files now; those that stand stay.
    pub(crate) async fn read_certificates(&self) -> Result<()> {
        let settings = self.tls.iter().flat_map(TlsDirectory::redis_settings);
        let words: Vec<String> = settings.map(|(name, file)| format!("{name} {file}")).collect();
        let answer = self.ask(&format!("CONFIG SET {}", words.join(" "))).await?;
        ensure!(!answer.contains("-ERR"), "Redis does not take its new certificate: {answer}");
        Ok(())
    }

    async fn answers(&self) -> bool {
        self.ask("PING").await.is_ok_and(|answer| answer.contains("+PONG"))
    }

    /// Signs in, sends one command and returns everything answered up to the second line or the end.
    async fn ask(&self, command: &str) -> Result<String> {
        let conversation = async {
            let mut connection = self.connect().await?;
            let words = format!("AUTH {}\r\n{command}\r\n", self.connection.redis_password());
            connection.write_all(words.as_bytes()).await?;
            let mut answer = Vec::new();
            while answer.iter().filter(|byte| **byte == b'\n').count() < 2 {
                if connection.read_buf(&mut answer).await? == 0 {
                    break;
                }
            }
            anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let limit = if command.starts_with("SHUTDOWN") { SHUTDOWN_TIMEOUT } else { ANSWER_TIMEOUT };
        tokio::time::timeout(limit, conversation).await.context("Redis did not answer in time")?
    }

    async fn connect(&self) -> Result<Box<dyn Wire>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let Some(authority) = self.connection.authority() else { return Ok(Box::new(stream)) };
        let connector = TlsConnector::from(Arc::new(tls::client_config(Some(authority))?));
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

/// A connection, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}
