//! Further servers of tests, which end with this process, however it ends.
//!
//! Each is the child of a small shell whose standard input is a pipe that only we hold open. When it closes, by our
//! request or by our end, the shell kills the server and removes its directory: what such servers keep is throwaway.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use local_servers::tools::{OsUser, Program, make_server_directory, send, tail, temporary_in_memory};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 12;

/// Arguments: the directory to remove, then the program and its arguments.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
directory=$1; shift
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
echo "$server"
read -r _
kill -KILL "$server"
wait "$server"
rm -rf -- "$directory"
"#;

/// A directory of a server's own, made before the server so that it can be configured there.
pub(crate) struct ServerDirectory {
    pub(crate) directory: PathBuf,
    identity: OsUser,
}

impl ServerDirectory {
    pub(crate) fn make() -> Result<Self> {
        let identity = OsUser::of_servers();
        let directory = temporary_in_memory(identity)?;
        make_server_directory(&directory, identity)?;
        Ok(Self { directory, identity })
    }

    /// Writes a file that only the server reads.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.identity.change_owner(&path)?;
        Ok(path)
    }
}

/// A running server.
pub(crate) struct SupervisedProcess {
    shell: Child,
    tether: Option<ChildStdin>,
    /// Process id of the server itself.
    pub(crate) pid: u32,
    log: PathBuf,
}

impl SupervisedProcess {
    pub(crate) fn spawn(
        place: &ServerDirectory,
        program: &Program,
        name: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command: Command = place.identity.command("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(&place.directory)
            .arg(program.directory.join(name))
            .args(arguments);
        command.envs(program.library_path.as_ref().map(|path| ("LD_LIBRARY_PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut line = String::new();
        BufReader::new(shell.stdout.take().context("the shell has no output")?).read_line(&mut line)?;
        let pid = line.trim().parse().with_context(|| format!("{name} has no process id"))?;
        Ok(Self { tether: shell.stdin.take(), shell, pid, log: place.directory.join("log") })
    }

    /// Waits until it is ready; an error shows the end of its log.
    pub(crate) async fn wait_until<F: Future<Output = bool>>(&self, ready: impl Fn() -> F) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !ready().await {
            if Instant::now() > deadline {
                let log = fs::read(&self.log).unwrap_or_default();
                bail!("not ready in time:\n{}", tail(&String::from_utf8_lossy(&log), LOG_TAIL_LINES));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Sends the server itself a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        send(signal, self.pid)
    }

    /// Whether the server has ended; its shell waits on.
    pub(crate) fn has_ended(&self) -> bool {
        let status = fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("stat"));
        status.map_or(true, |status| status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }
}

impl Drop for SupervisedProcess {
    fn drop(&mut self) {
        drop(self.tether.take());
        // It has nothing left to do but to kill and to remove; not waiting would leave a zombie.
        let _ended = self.shell.wait();
    }
}
