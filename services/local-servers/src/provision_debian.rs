//! Unpacks Debian's packages into the cache, with the libraries that the machine lacks.
//!
//! apt runs with lists, state and cache directories of its own: it then works for any user and with whatever lists the
//! machine has, and changes nothing outside our directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::run;

const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);
const UNPACK_TIMEOUT: Duration = Duration::from_secs(60);

/// Puts these packages into the directory, of which one holds `program`, and the libraries that the package `needing`
/// needs.
///
/// # Errors
/// When they cannot be fetched, or hold no such program.
pub async fn unpack(directory: &Path, packages: &[&str], needing: &str, program: &str) -> Result<()> {
    let apt = Apt::open(directory, None)?;
    apt.update_and(async || apt.download(packages).await).await?;
    if fs::symlink_metadata(directory.join(program)).is_err() {
        bail!("the packages hold no {program}");
    }
    let answer = run(apt.command("apt-cache", &["depends", needing]), UNPACK_TIMEOUT).await?;
    let mut libraries = Vec::new();
    for library in libraries_in(&answer) {
        if !is_installed(library).await {
            libraries.push(library);
        }
    }
    if !libraries.is_empty() {
        apt.download(&libraries).await?;
    }
    apt.close()
}

/// Puts these packages into the directory, from the sources that `write_sources` puts into a directory of theirs. They
/// may need a C library that the machine does not have: it then has to be one of them.
///
/// # Errors
/// When they cannot be fetched.
pub async fn unpack_from_sources(
    directory: &Path,
    packages: &[&str],
    write_sources: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let sources = directory.join("apt/sources");
    fs::create_dir_all(&sources)?;
    write_sources(&sources)?;
    let apt = Apt::open(directory, Some(&sources))?;
    apt.update_and(async || apt.download(packages).await).await?;
    apt.close()
}

/// Puts this package into the directory, with everything that it needs and the machine does not have.
///
/// # Errors
/// When it cannot be fetched.
pub async fn unpack_with_dependencies(directory: &Path, package: &str) -> Result<()> {
    let apt = Apt::open(directory, None)?;
    apt.update_and(async || apt.download_with_dependencies(package).await).await?;
    apt.close()
}

/// apt with everything in a directory of its own, below the directory that packages are unpacked into.
struct Apt<'a> {
    into: &'a Path,
    directory: PathBuf,
    configuration: PathBuf,
}

impl<'a> Apt<'a> {
    /// For packages from these sources instead of the machine's own.
    fn open(into: &'a Path, sources: Option<&Path>) -> Result<Self> {
        let directory = into.join("apt");
        for part in ["state", "lists/partial", "cache/archives/partial", "log", "packages"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let configuration = directory.join("apt.conf");
        let root = directory
            .to_str()
            .filter(|path| !path.contains(['"', '\n']))
            .context("the cache directory's path has characters that apt does not take")?;
        let mut text = configured(root);
        if let Some(sources) = sources {
            // What the machine has installed is of another release: nothing is chosen by it.
            text += &format!(
                "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{}\";\nDir::State::status \"/dev/null\";\n",
                sources.display()
            );
        }
        fs::write(&configuration, text)?;
        Ok(Self { into, directory, configuration })
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("-q").arg("-c").arg(&self.configuration).args(arguments);
        // `download` puts the packages into the current directory.
        command.current_dir(self.directory.join("packages")).env("LC_ALL", "C.UTF-8");
        command
    }

    /// One source of several that does not answer fails the update; only the download tells whether it matters.
    async fn update_and(&self, download: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let update = run(self.command("apt-get", &["update"]), INSTALL_TIMEOUT).await;
        match (download().await, update) {
            (Err(error), Err(update)) => Err(error.context(format!("{update:#}"))),
            (downloaded, _) => downloaded,
        }
    }

    /// Fetches packages and unpacks them.
    async fn download(&self, packages: &[&str]) -> Result<()> {
        let mut command = self.command("apt-get", &["download"]);
        command.args(packages);
        run(command, INSTALL_TIMEOUT).await?;
        self.unpack(&self.directory.join("packages")).await
    }

    /// Fetches what an installation would, without the lock of the system's packages, which nothing of this changes.
    async fn download_with_dependencies(&self, package: &str) -> Result<()> {
        let options =
            ["install", "--download-only", "--no-install-recommends", "--yes", "-o", "Debug::NoLocking=1"];
        let mut command = self.command("apt-get", &options);
        command.arg(package);
        run(command, INSTALL_TIMEOUT).await?;
        self.unpack(&self.directory.join("cache/archives")).await
    }

    /// Unpacks the packages of a directory side by side.
    async fn unpack(&self, packages: &Path) -> Result<()> {
        for entry in fs::read_dir(packages)? {
            let package = entry?.path();
            if package.extension().is_none_or(|ending| ending != "deb") {
                continue;
            }
            let mut command = Command::new("dpkg");
            command.arg("-x").arg(&package).arg(self.into);
            run(command, UNPACK_TIMEOUT).await?;
            fs::remove_file(package)?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        fs::remove_dir_all(&self.directory).context("cannot remove the package lists")
    }
}

/// apt's configuration: everything below this directory, and none of the machine's hooks, which tidy system directories.
fn configured(root: &str) -> String {
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "{root}/state";
Dir::State::lists "{root}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{root}/cache";
Dir::Log "{root}/log";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"#
    )
}

/// The libraries a package needs, as `apt-cache depends` prints them. The C library is the machine's own in any case.
fn libraries_in(answer: &str) -> Vec<&str> {
    let needed = answer.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    needed.filter(|package| package.starts_with("lib") && *package != "libc6").collect()
}

async fn is_installed(package: &str) -> bool {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat", "${db:Status-Status}", package]);
    run(command, UNPACK_TIMEOUT).await.is_ok_and(|status| status == "installed")
}

/// The directories with the copy's own libraries: `usr/lib/<architecture>`, with or without `usr`.
pub(crate) fn library_path(place: &Path) -> Option<String> {
    let roots = ["usr/lib", "lib"].map(|below| place.join(below));
    let directories: Vec<String> = roots
        .iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .collect();
    (!directories.is_empty()).then(|| directories.join(":"))
}

#[cfg(test)]
mod tests {
    use super::libraries_in;

    #[test]
    fn only_libraries_are_taken_from_the_dependencies() {
        let answer = "redis-tools\n  Depends: adduser\n  Depends: libc6\n  Depends: libjemalloc2\n    libelogind0\n  Breaks: redis-server\n";
        assert_eq!(libraries_in(answer), ["libjemalloc2"]);
    }
}
