//! A service in a process of its own, with the database, Redis and siblings of a suite.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use local_servers::suite::Role;
use local_servers::tools::free_port;
use rustix::process::{Pid, Signal, kill_process};
use shared::config::SiblingOptions;

use super::{ENCRYPTION_KEYS, FILES, Suite, SuiteOptions, keys, mail};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running process. Dropping it kills it with SIGKILL.
pub struct ServiceProcess {
    process: Child,
    program: String,
    service: &'static str,
    port: u16,
    pub url: String,
}

impl ServiceProcess {
    /// Starts the program of a service (`env!("CARGO_BIN_EXE_…")`) and waits until it accepts connections.
    pub async fn start(suite: &Suite, program: &str, service: &'static str) -> Self {
        let (options, siblings, files) = (&suite.options, &suite.siblings, suite.files.path());
        Self::start_at(options, siblings, files, program, service, free_port().unwrap()).await
    }

    /// As [`Self::start`], on this port.
    pub(super) async fn start_at(
        options: &SuiteOptions,
        siblings: &SiblingOptions,
        files: &Path,
        program: &str,
        service: &'static str,
        port: u16,
    ) -> Self {
        let mut command = Command::new(program);
        command
            .env("DAFNCK_LISTEN", format!("127.0.0.1:{port}"))
            .env("DAFNCK_DATABASE_URL", options.url_of(Role::requests_of(service)).expose())
            .env("DAFNCK_WORKER_DATABASE_URL", options.url_of(Role::work_of(service)).expose())
            .env("DAFNCK_REDIS_URL", options.redis_users.url_of(service, &options.redis_url).expose())
            .env("DAFNCK_REDIS_KEY_PREFIX", &options.redis_key_prefix)
            .env("DAFNCK_SERVICE_KEY", keys::private_key(service))
            .env("DAFNCK_PRINCIPAL_KEYS", keys::principal_keys())
            .env("DAFNCK_DERIVATION_SECRET", keys::derivation_secret(service))
            .env("DAFNCK_ENCRYPTION_KEYS", ENCRYPTION_KEYS)
            .env("DAFNCK_MAIL_URL", format!("folder:{}", files.join(mail::DIRECTORY).display()))
            .env("DAFNCK_REGISTRATION", "direct")
            .env("DAFNCK_WEBHOOKS_ALLOW_PRIVATE", "true")
            .env("DAFNCK_MAIL_FROM", "DafnckMachine <no-reply@dafnck.example>")
            .env("DAFNCK_IDENTITY_URL", &siblings.identity_url)
            .env("DAFNCK_PROJECT_URL", &siblings.project_url)
            .env("DAFNCK_TASK_URL", &siblings.task_url)
            .env("DAFNCK_CONTENT_URL", &siblings.content_url)
            .env("DAFNCK_STORAGE_DIRECTORY", files.join(FILES))
            .env("DAFNCK_LOG_FILTER", "error")
            .stdin(Stdio::null());
        let mut scheme = "http";
        if let Some(directory) = &options.certificates {
            enable_tls(&mut command, directory, service);
            scheme = "https";
        }
        let process = command.spawn().unwrap();
        let url = format!("{scheme}://127.0.0.1:{port}");
        let mut started = Self { process, program: program.to_owned(), service, port, url };
        let start = Instant::now();
        while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            let exited = started.process.try_wait().unwrap();
            assert!(exited.is_none(), "{program} does not start at port {port}: {exited:?}");
            assert!(start.elapsed() < START_TIMEOUT, "{program} does not start in time");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let exited = started.process.try_wait().unwrap();
        assert!(exited.is_none(), "another server listens on port {port}: {exited:?}");
        started
    }

    /// Sends SIGKILL.
    pub fn kill(mut self) {
        self.kill_and_wait();
    }

    /// Sends SIGKILL and starts the program again on the same port.
    pub async fn kill_and_restart(&mut self, suite: &Suite) {
        self.kill_and_wait();
        let (options, siblings, files) = (&suite.options, &suite.siblings, suite.files.path());
        *self = Self::start_at(options, siblings, files, &self.program, self.service, self.port).await;
    }

    /// Sends SIGTERM and waits until the process has exited with success.
    pub async fn stop(mut self) {
        terminate(self.process.id());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < STOP_TIMEOUT, "the process does not exit");
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        assert!(status.success(), "the process exited with {status}");
    }

    fn kill_and_wait(&mut self) {
        let _already_dead = self.process.kill();
        self.process.wait().unwrap();
    }
}

/// Turns TLS on for all connections of a process, with the files in this directory.
fn enable_tls(command: &mut Command, directory: &Path, service: &str) {
    for authority in ["DATABASE_TLS_CA", "REDIS_TLS_CA", "TLS_CA", "TLS_CLIENT_CA"] {
        command.env(format!("DAFNCK_{authority}"), directory.join("ca.pem"));
    }
    command.env("DAFNCK_TLS_CERTIFICATE", directory.join(format!("{service}.pem")));
    command.env("DAFNCK_TLS_KEY", directory.join(format!("{service}.key")));
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}

/// Sends SIGTERM to a process that still runs.
pub fn terminate(process: u32) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    kill_process(id, Signal::TERM).unwrap();
}
