//! The guard: a small shell process that stops the servers when this process ends, however it ends.
//!
//! Its standard input is a pipe that only we hold open. The kernel closes it with us, `kill -9` included; that end
//! of file is the guard's signal. Until then it is told on the pipe which process ids to care for.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::data_directory::OpenDataDirectory;
use crate::wait::wait_for_end;

/// How long letting go may take: with the servers stopped before, only a temporary directory is left to delete.
const LET_GO_TIMEOUT: Duration = Duration::from_secs(20);

/// Arguments: postgres' directory, redis' directory, postgres' first signal, directory to remove or "".
///
/// A process id is only signalled while its command line names our directory, so a reused id is left alone.
/// Removing is repeated because an interrupted `initdb` may still be writing.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
postgres=0 redis=0
while read -r name pid; do
  case "$name" in postgres) postgres=$pid ;; redis) redis=$pid ;; esac
done
ours() { [ "$1" -gt 0 ] && tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF -- "$2"; }
end() {
  pid=$1 directory=$2; shift 2
  for signal; do
    ours "$pid" "$directory" || return
    kill -"$signal" "$pid"
    tenths=0
    while [ $tenths -lt 200 ] && ours "$pid" "$directory"; do sleep 0.1; tenths=$((tenths + 1)); done
  done
}
end "$redis" "$2" TERM KILL &
end "$postgres" "$1" "$3" QUIT KILL
wait
tries=0
while [ -n "$4" ] && [ -e "$4" ] && [ $tries -lt 50 ]; do
  rm -rf -- "$4" || sleep 0.2
  tries=$((tries + 1))
done
"#;

/// The running guard. Dropping it makes it stop the servers.
pub(crate) struct Guard {
    pipe: Mutex<Option<ChildStdin>>,
    process: Mutex<Child>,
}

impl Guard {
    /// Starts it, in a process group of its own: a Ctrl-C in the terminal is for us, not for the guard.
    ///
    /// Temporary data is removed at the end, which is reason enough not to shut down gently.
    pub(crate) fn start(data: &OpenDataDirectory) -> Result<Self> {
        let (signal, remove) =
            if data.temporary { ("QUIT", data.path.as_path()) } else { ("INT", Path::new("")) };
        let mut process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "dafnck-guard"])
            .args([data.postgres(), data.redis()])
            .arg(signal)
            .arg(remove)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start the guard process")?;
        let pipe = Mutex::new(process.stdin.take());
        Ok(Self { pipe, process: Mutex::new(process) })
    }

    /// Registers a process to stop; 0 stands for none.
    pub(crate) fn watch(&self, name: &str, pid: u32) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = pipe.as_mut().context("the guard process was let go already")?;
        writeln!(pipe, "{name} {pid}").context("the guard process is gone")
    }

    /// Lets it end its work and waits for it.
    pub(crate) async fn release(&self) -> Result<()> {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = wait_for_end(|| self.has_ended(), LET_GO_TIMEOUT).await?;
        anyhow::ensure!(ended, "the guard process did not end within {} s", LET_GO_TIMEOUT.as_secs());
        Ok(())
    }

    fn has_ended(&self) -> Result<bool> {
        Ok(self.process.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?.is_some())
    }
}
