//! Barman, which backs PostgreSQL up: its programs, found or fetched, and how it is called.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::Progress;
use crate::command::{OsUser, run};
use crate::paths;
use crate::process::send_to_group;
use crate::provision::{Program, on_path, pip_install, private_copy};
use crate::provision_debian::{library_path, unpack};
use crate::wait::wait_for_end;

const NAME: &str = "barman";
const COPY: &str = "barman-3.19.1";
/// With all that it needs: its dependency on `psycopg2` would have that built, where the ready-made package is as good.
const PYTHON_PACKAGES: &[&str] =
    &["barman==3.19.1", "psycopg2-binary==2.9.13", "python-dateutil==2.9.0.post0", "six==1.17.0"];
const RSYNC_COPY: &str = "rsync-3";
const RSYNC: &str = "rsync";
const RSYNC_PROGRAMS: &str = "usr/bin";
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);
const NAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Barman's programs, and the configuration that they are called with.
#[derive(Clone, Debug)]
pub struct Barman {
    /// `None` for an installed one.
    private_copy: Option<PrivateCopy>,
    configuration: PathBuf,
}

#[derive(Clone, Debug)]
struct PrivateCopy {
    packages: PathBuf,
    rsync: Program,
}

impl Barman {
    /// Finds rsync or fetches a private copy, and fetches Barman, both into the cache.
    ///
    /// # Errors
    /// When they can be neither found nor fetched.
    pub async fn find_or_install(
        cache: &Path,
        configuration: &Path,
        progress: impl Fn(&str) + Send + Sync,
    ) -> Result<Self> {
        let progress: Progress<'_> = &progress;
        let (cache, _) = paths::reachable(cache, OsUser::of_servers())?;
        let rsync = find_rsync(&cache, progress).await?;
        let message = "installing Barman 3.19 (private copy, 8 MB)…";
        let packages = private_copy(&cache, COPY, message, progress, async |directory| {
            pip_install(&directory, PYTHON_PACKAGES, &["--no-deps"]).await
        });
        let private_copy = Some(PrivateCopy { packages: packages.await?, rsync });
        Ok(Self { private_copy, configuration: configuration.to_owned() })
    }

    /// The installed one, as in an image.
    #[must_use]
    pub fn installed(configuration: &Path) -> Self {
        Self { private_copy: None, configuration: configuration.to_owned() }
    }

    /// A call of Barman, as ourselves; of a private copy with a clean environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.private_copy {
            Some(copy) => copy.command(),
            None => Command::new(NAME),
        };
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.arg("-c").arg(&self.configuration).args(arguments);
        command
    }

    /// Calls Barman and answers with what it printed.
    ///
    /// # Errors
    /// When it fails, with the end of its output, or takes longer than the limit.
    pub async fn call(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        run(self.command(arguments), limit).await
    }

    /// Fetches WAL of the server of this name as it is written. Its words go to Barman's own log.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn receive_wal(&self, server: &str) -> Result<WalReceiver> {
        let mut command = self.command(&["-q", "receive-wal", server]);
        // A Ctrl-C in the terminal is for us: the end of the server's log is still to be fetched then.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Ok(WalReceiver { child: command.spawn().context("cannot start Barman")? })
    }
}

impl PrivateCopy {
    fn command(&self) -> Command {
        let mut command = Command::new("python3");
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let directories = std::iter::once(self.rsync.directory.clone()).chain(std::env::split_paths(&path));
        // A directory with a colon in its name cannot be on a path; then what is on it must do.
        command.env_clear().env("PATH", std::env::join_paths(directories).unwrap_or(path));
        command.env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.rsync.library_path.as_ref().map(|path| ("LD_LIBRARY_PATH", path)));
        command.arg(self.packages.join("bin").join(NAME));
        command
    }
}

/// The name of the user that runs this process, as Barman wants to be told.
///
/// # Errors
/// When the user has no name.
pub async fn own_user_name() -> Result<String> {
    let mut command = Command::new("id");
    command.arg("-un");
    Ok(run(command, NAME_TIMEOUT).await.context("this user has no name")?.trim().to_owned())
}

/// Runs a program of PostgreSQL or another that does not serve, as ourselves, and answers with what it printed.
///
/// # Errors
/// When it fails, with the end of its output, or takes longer than the limit.
pub async fn run_tool(program: &Path, arguments: &[&str], limit: Duration) -> Result<String> {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").args(arguments);
    run(command, limit).await
}

async fn find_rsync(cache: &Path, progress: Progress<'_>) -> Result<Program> {
    let identity = OsUser::of_servers();
    for directory in on_path(RSYNC) {
        if let Ok(found) = Program::ask(&directory, RSYNC, None, identity).await {
            return Ok(found);
        }
    }
    let message = "installing rsync (private copy of Debian's package: 1 MB, and 9 MB of package lists)…";
    let place = private_copy(cache, RSYNC_COPY, message, progress, async |directory| {
        let unpacked = unpack(&directory, &[RSYNC], RSYNC, "usr/bin/rsync").await;
        unpacked.context("no rsync on PATH, and a private copy could not be made. Install rsync")
    });
    let place = place.await?;
    let programs = place.join(RSYNC_PROGRAMS);
    match Program::ask(&programs, RSYNC, library_path(&place), identity).await {
        Ok(copy) => Ok(copy),
        Err(error) => bail!(
            "the private copy of rsync in {} does not run: remove it to have it installed again ({error:#})",
            place.display()
        ),
    }
}

/// Barman fetching WAL, until it is stopped. It also ends with the server.
pub struct WalReceiver {
    child: Child,
}

impl WalReceiver {
    /// Refuses to go on when it has ended.
    ///
    /// # Errors
    /// When it has.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("Barman no longer receives WAL ({status}); its own log may say why"),
            None => Ok(()),
        }
    }

    /// Waits for its end for a while, as after the server has ended, and then ends it.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn end(mut self, limit: Duration) -> Result<()> {
        if wait_for_end(|| Ok(self.child.try_wait()?.is_some()), limit).await? {
            return Ok(());
        }
        for signal in [Signal::TERM, Signal::KILL] {
            // The program that it has started, too.
            send_to_group(signal, self.child.id())?;
            if wait_for_end(|| Ok(self.child.try_wait()?.is_some()), SIGNAL_TIMEOUT).await? {
                return Ok(());
            }
        }
        bail!("Barman's receiver of WAL (process {}) could not be stopped", self.child.id())
    }
}
