//! One server process: started so that it cannot get lost, waited for, stopped within limits.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::command::{OsUser, tail};
use crate::guard::Guard;
use crate::wait::{POLL_INTERVAL, wait_for_end};

/// How long a server may take to be ready.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(60);
const LOG_TAIL_LINES: usize = 12;

/// Signals sent in turn, each with the time it is given to work.
pub(crate) type StopSteps = [(Signal, Duration)];

/// How to start one server.
pub(crate) struct ServerCommand<'a> {
    /// Its name in the guard, its pid file and its log.
    pub(crate) name: &'static str,
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<String>,
    pub(crate) library_path: Option<&'a str>,
    /// What it reads on its standard input.
    pub(crate) input: String,
    /// The data directory that pid file and log are in.
    pub(crate) data: &'a Path,
    pub(crate) identity: OsUser,
}

/// A started server.
pub(crate) struct ServerProcess {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts the server in a process group of its own, so that a Ctrl-C in the terminal does not reach it.
    ///
    /// A shell waits for a first line before it becomes the server. Pid file and guard know the process id by
    /// then; were we killed before that, the shell would see the end of the pipe and end, too.
    pub(crate) fn spawn(command_line: ServerCommand<'_>, guard: &Guard) -> Result<Self> {
        let log = command_line.data.join("log").join(format!("{}.log", command_line.name));
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = command_line.identity.command("/bin/sh");
        command
            .args(["-c", r#"read -r _ && exec "$@""#, "sh"])
            .arg(command_line.program)
            .args(&command_line.arguments);
        command.envs(command_line.library_path.map(|path| ("LD_LIBRARY_PATH", path)));
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", command_line.name))?;
        fs::write(pid_file(command_line.data, command_line.name), child.id().to_string())
            .context("cannot write the pid file")?;
        guard.watch(command_line.name, child.id())?;
        let mut pipe = child.stdin.take().context("the server has no standard input")?;
        pipe.write_all(format!("go\n{}", command_line.input).as_bytes())
            .with_context(|| format!("cannot configure {}", command_line.name))?;
        Ok(Self { name: command_line.name, child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server says it is ready; an error shows the end of its log.
    ///
    /// Not an `AsyncFn`: the compiler could not see then that the caller's future is `Send`.
    pub(crate) async fn wait_until<F: Future<Output = bool>>(
        &mut self,
        limit: Duration,
        ready: impl Fn() -> F,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended while starting ({status}). {}", self.name, self.log_tail());
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} was not ready within {} s. {}", self.name, limit.as_secs(), self.log_tail());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Whether it has ended already. A process that cannot be asked is taken for a running one.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Whether it has ended by now (for example because it was asked to over its own protocol).
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> Result<bool> {
        wait_for_end(|| Ok(self.child.try_wait()?.is_some()), limit).await
    }

    /// Sends the signals in turn until the server has ended.
    pub(crate) async fn stop(&mut self, steps: &StopSteps) -> Result<()> {
        for (signal, limit) in steps {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            send(*signal, self.child.id())?;
            if self.ended_within(*limit).await? {
                return Ok(());
            }
            tracing::warn!(server = self.name, ?signal, "the server did not stop in time");
        }
        bail!("{} (process {}) could not be stopped. {}", self.name, self.child.id(), self.log_tail())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        send(signal, self.child.id())
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        format!(
            "The end of {}:\n{}",
            self.log.display(),
            tail(&String::from_utf8_lossy(&text), LOG_TAIL_LINES)
        )
    }
}

/// Where a server's process id is kept.
pub(crate) fn pid_file(data: &Path, name: &str) -> PathBuf {
    data.join(format!("{name}.pid"))
}

/// Stops what an earlier process of ours may have left running: the process in the pid file, if it is that program
/// with that directory. A stale pid file, or one whose id means another program by now, is no hindrance.
pub(crate) async fn stop_leftover(
    pid_file: &Path,
    program: &str,
    directory: &Path,
    steps: &StopSteps,
) -> Result<bool> {
    let Some(pid) =
        fs::read_to_string(pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<u32>().ok())
    else {
        return Ok(false);
    };
    let lives = || is_running(pid, program, directory);
    let found = lives();
    for (signal, limit) in steps {
        if !lives() {
            break;
        }
        send(*signal, pid)?;
        wait_for_end(|| Ok(!lives()), *limit).await?;
    }
    if lives() {
        bail!("{program} (process {pid}), left over on {}, could not be stopped", directory.display());
    }
    Ok(found)
}

fn is_running(pid: u32, program: &str, directory: &Path) -> bool {
    // A process that is gone has no such file, a dead one that nobody waited for has an empty one.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| is_server(&line, program, directory))
}

/// Whether a command line, as in `/proc/<pid>/cmdline`, is that program with that directory among its arguments.
fn is_server(command_line: &[u8], program: &str, directory: &Path) -> bool {
    let mut parts = command_line.split(|byte| *byte == 0);
    let name_fits =
        parts.next().is_some_and(|name| name.rsplit(|byte| *byte == b'/').next() == Some(program.as_bytes()));
    name_fits && parts.any(|part| part == directory.as_os_str().as_encoded_bytes())
}

/// Sends a signal. A process that has ended meanwhile is no error.
///
/// # Errors
/// When it cannot be sent.
pub fn send(signal: Signal, pid: u32) -> Result<()> {
    not_if_gone(kill_process(process_id(pid)?, signal), pid)
}

/// Sends a signal to a process and its children, which are in a group of their own.
pub(crate) fn send_to_group(signal: Signal, pid: u32) -> Result<()> {
    not_if_gone(kill_process_group(process_id(pid)?, signal), pid)
}

fn process_id(pid: u32) -> Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).with_context(|| format!("{pid} is no process id"))
}

fn not_if_gone(sent: rustix::io::Result<()>, pid: u32) -> Result<()> {
    match sent {
        Err(Errno::SRCH) => Ok(()),
        sent => sent.with_context(|| format!("cannot signal process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_program_with_that_directory_is_ours() {
        let line = b"/opt/pg/bin/postgres\0-D\0/data/postgres\0-p\0";
        assert!(is_server(line, "postgres", Path::new("/data/postgres")));
        assert!(!is_server(line, "postgres", Path::new("/data/postgres2")));
        assert!(!is_server(line, "redis-server", Path::new("/data/postgres")));
        assert!(!is_server(b"vim\0/data/postgres\0", "postgres", Path::new("/data/postgres")));
        assert!(!is_server(b"", "postgres", Path::new("/data/postgres")));
    }

    #[tokio::test]
    async fn a_stale_pid_file_is_no_hindrance() {
        let file = std::env::temp_dir().join(format!("dafnck-{}.pid", uuid::Uuid::new_v4()));
        fs::write(&file, std::process::id().to_string()).expect("a pid file");
        let found =
            stop_leftover(&file, "postgres", Path::new("/data"), &[(Signal::KILL, Duration::ZERO)]).await;
        fs::remove_file(&file).expect("removed");
        assert!(!found.expect("no hindrance"));
    }
}
