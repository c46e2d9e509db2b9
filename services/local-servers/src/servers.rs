//! Both servers together: in which order they start and stop, and taking one down for a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::Progress;
use crate::certificates::{ServerCertificates, TlsDirectory};
use crate::data_directory::OpenDataDirectory;
use crate::guard::Guard;
use crate::ports;
use crate::postgres::{self, PostgresServer};
use crate::process::{ServerProcess, StopSteps, pid_file};
use crate::provision::Program;
use crate::redis::{self, RedisServer};

/// No word before.
const KILL_STEPS: &StopSteps = &[(Signal::KILL, Duration::from_secs(10))];
/// A free port may be taken between looking and listening.
const FREE_PORT_TRIES: u32 = 5;
/// How long the end of a server may go unnoticed.
const END_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Everything found and opened that the start needs.
pub(crate) struct StartPlan<'a> {
    pub(crate) data: OpenDataDirectory,
    pub(crate) tls: Option<TlsDirectory>,
    pub(crate) guard: Guard,
    pub(crate) postgres_program: Program,
    pub(crate) redis_program: Program,
    pub(crate) postgres_port: Option<u16>,
    pub(crate) redis_port: Option<u16>,
    pub(crate) notes: Vec<String>,
    pub(crate) progress: Progress<'a>,
}

/// Both servers, running. End them with [`LocalServers::stop`]; if this is only dropped, or the process is killed,
/// the guard process stops them.
pub struct LocalServers {
    /// PostgreSQL and how to reach it.
    pub postgres: PostgresServer,
    /// Redis and how to reach it.
    pub redis: RedisServer,
    /// The data directory really used.
    pub data: PathBuf,
    /// What the user should know, for example that another directory than the wanted one is used.
    pub notes: Vec<String>,
    postgres_process: Mutex<Option<ServerProcess>>,
    redis_process: Mutex<Option<ServerProcess>>,
    tls: Option<TlsDirectory>,
    guard: Guard,
    _directory: OpenDataDirectory,
}

impl LocalServers {
    pub(crate) async fn start(plan: StartPlan<'_>) -> Result<Self> {
        let StartPlan { data, tls, guard, progress, .. } = plan;
        if PostgresServer::stop_leftover(&data).await? | RedisServer::stop_leftover(&data).await? {
            progress("stopped servers that an earlier run had left behind");
        }
        refuse_taken(plan.postgres_port, plan.redis_port)?;
        let port = first_port(plan.postgres_port)?;
        let mut postgres =
            PostgresServer::prepare(&data, &plan.postgres_program, port, tls.clone(), progress).await?;
        progress(&format!("starting PostgreSQL {}…", postgres.version));
        let postgres_process = start_postgres(&mut postgres, plan.postgres_port, &guard).await?;
        let port = first_port(plan.redis_port)?;
        let mut redis = RedisServer::prepare(&data, plan.redis_program, port, tls.clone())?;
        progress(&format!("starting Redis {}…", redis.version));
        let redis_process = start_redis(&mut redis, plan.redis_port, &guard).await?;
        progress(&format!(
            "PostgreSQL is on port {}, Redis on port {}, their data in {}",
            postgres.port,
            redis.port,
            data.path.display()
        ));
        Ok(Self {
            postgres,
            redis,
            data: data.path.clone(),
            notes: plan.notes,
            postgres_process: Mutex::new(Some(postgres_process)),
            redis_process: Mutex::new(Some(redis_process)),
            tls,
            guard,
            _directory: data,
        })
    }

    /// Stops Redis, then PostgreSQL, in good order, and deletes temporary data.
    ///
    /// # Errors
    /// A server that could not be stopped; everything else is stopped all the same.
    pub async fn stop(self) -> Result<()> {
        let redis = self.stop_redis().await;
        let postgres = self.stop_postgres().await;
        let guard = self.guard.release().await;
        redis.and(postgres).and(guard)
    }

    /// Gives the running servers other certificates: new connections find them, those that stand stay.
    ///
    /// # Errors
    /// When the servers speak plain text, or a certificate cannot be written or used.
    pub async fn renew(&self, certificates: &ServerCertificates) -> Result<()> {
        self.tls.as_ref().context("the servers speak plain text")?.write(certificates)?;
        if let Some(process) = self.postgres_process.lock().await.as_ref() {
            self.postgres.read_certificates(process)?;
        }
        let redis_runs = self.redis_process.lock().await.is_some();
        if redis_runs && let Err(error) = self.redis.read_certificates().await {
            // As when the former one has ended: nobody connects to tell it.
            tracing::warn!(error = format!("{error:#}"), "Redis is restarted for its new certificate");
            self.stop_redis().await?;
            self.start_redis().await?;
        }
        Ok(())
    }

    /// Waits until a server ends that nobody stopped, and tells which.
    pub async fn ended(&self) -> &'static str {
        loop {
            for (name, process) in [("PostgreSQL", &self.postgres_process), ("Redis", &self.redis_process)] {
                if process.lock().await.as_mut().is_some_and(ServerProcess::has_ended) {
                    return name;
                }
            }
            tokio::time::sleep(END_POLL_INTERVAL).await;
        }
    }

    /// Takes PostgreSQL down; nothing happens if it is down already.
    ///
    /// # Errors
    /// When it does not stop within its limits.
    pub async fn stop_postgres(&self) -> Result<()> {
        let mut process = self.postgres_process.lock().await;
        if let Some(running) = process.as_mut() {
            self.postgres.stop(running).await?;
            forget(&self.guard, &self.data, postgres::NAME);
            *process = None;
        }
        Ok(())
    }

    /// Kills PostgreSQL as `kill -9` does, for drills.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill_postgres(&self) -> Result<()> {
        self.kill(postgres::NAME, &self.postgres_process).await
    }

    /// Kills Redis as `kill -9` does, for drills.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill_redis(&self) -> Result<()> {
        self.kill(redis::NAME, &self.redis_process).await
    }

    async fn kill(&self, name: &str, process: &Mutex<Option<ServerProcess>>) -> Result<()> {
        if let Some(mut running) = process.lock().await.take() {
            running.stop(KILL_STEPS).await?;
            forget(&self.guard, &self.data, name);
        }
        Ok(())
    }

    /// Brings PostgreSQL back on the same port and data; nothing happens if it is up.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the message.
    pub async fn start_postgres(&self) -> Result<()> {
        let mut process = self.postgres_process.lock().await;
        if process.is_none() {
            *process = Some(self.postgres.start(&self.guard).await?);
        }
        Ok(())
    }

    /// Takes Redis down; nothing happens if it is down already.
    ///
    /// # Errors
    /// When it does not stop within its limits.
    pub async fn stop_redis(&self) -> Result<()> {
        let mut process = self.redis_process.lock().await;
        if let Some(running) = process.as_mut() {
            self.redis.stop(running).await?;
            forget(&self.guard, &self.data, redis::NAME);
            *process = None;
        }
        Ok(())
    }

    /// Brings Redis back on the same port, empty if its data is temporary; nothing happens if it is up.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the message.
    pub async fn start_redis(&self) -> Result<()> {
        let mut process = self.redis_process.lock().await;
        if process.is_none() {
            *process = Some(self.redis.start(&self.guard).await?);
        }
        Ok(())
    }
}

/// The process has ended: its id may soon be another's. Failing here changes nothing about that, because everybody who
/// reads the id compares the command line as well.
pub(crate) fn forget(guard: &Guard, data: &Path, name: &str) {
    if let Err(error) = guard.watch(name, 0) {
        tracing::warn!(%error, "the guard could not be told that a server has stopped");
    }
    if let Err(error) = fs::remove_file(pid_file(data, name)) {
        tracing::debug!(%error, "the pid file was gone already");
    }
}

/// Looked at early: making a database only to refuse its port helps nobody.
fn refuse_taken(postgres: Option<u16>, redis: Option<u16>) -> Result<()> {
    for (server, port) in [("PostgreSQL", postgres), ("Redis", redis)] {
        port.map_or(Ok(()), |port| ports::require_free(server, port))?;
    }
    Ok(())
}

/// The first start; a port that was not asked for is changed when somebody else was faster.
async fn start_postgres(
    server: &mut PostgresServer,
    asked: Option<u16>,
    guard: &Guard,
) -> Result<ServerProcess> {
    for _ in 0..tries(asked) {
        match server.start(guard).await {
            Err(_) if was_taken(server.port) => server.port = ports::free()?,
            result => return result,
        }
    }
    server.start(guard).await
}

/// As [`start_postgres`].
async fn start_redis(server: &mut RedisServer, asked: Option<u16>, guard: &Guard) -> Result<ServerProcess> {
    for _ in 0..tries(asked) {
        match server.start(guard).await {
            Err(_) if was_taken(server.port) => server.port = ports::free()?,
            result => return result,
        }
    }
    server.start(guard).await
}

fn was_taken(port: u16) -> bool {
    ports::require_free("", port).is_err()
}

fn first_port(given: Option<u16>) -> Result<u16> {
    given.map_or_else(ports::free, Ok)
}

/// How often another port may be tried.
fn tries(asked: Option<u16>) -> u32 {
    asked.map_or(FREE_PORT_TRIES, |_| 0)
}
