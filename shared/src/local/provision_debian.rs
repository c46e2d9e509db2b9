//! Unpacks Debian's packages into the cache, with the libraries that the machine lacks.
//!
//! apt runs with lists, state and cache folders of its own: it then works for any user and with whatever lists the
//! machine has, and changes nothing outside our folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::command::run;

const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const UNPACK_LIMIT: Duration = Duration::from_secs(60);

/// Puts these packages into the folder, of which one holds `program`, and the libraries that the package `needing`
/// needs.
pub(super) async fn unpack(folder: &Path, packages: &[&str], needing: &str, program: &str) -> Result<()> {
    let apt = folder.join("apt");
    let configuration = configure_apt(&apt)?;
    // One source of several that does not answer fails the update; only the download tells whether it matters.
    let update = run(apt_command("apt-get", &configuration, &apt, &["update"]), INSTALL_LIMIT).await;
    let wanted: Vec<String> = packages.iter().map(|package| (*package).to_owned()).collect();
    match (download(folder, &apt, &configuration, &wanted).await, update) {
        (Err(error), Err(update)) => return Err(error.context(format!("{update:#}"))),
        (downloaded, _) => downloaded?,
    }
    if fs::symlink_metadata(folder.join(program)).is_err() {
        bail!("the packages hold no {program}");
    }
    let answer =
        run(apt_command("apt-cache", &configuration, &apt, &["depends", needing]), UNPACK_LIMIT).await?;
    let mut libraries = Vec::new();
    for library in libraries_in(&answer) {
        if !is_installed(&library).await {
            libraries.push(library);
        }
    }
    if !libraries.is_empty() {
        download(folder, &apt, &configuration, &libraries).await?;
    }
    fs::remove_dir_all(&apt).context("cannot remove the package lists")
}

/// Writes apt's configuration: everything below our folder, and none of the machine's hooks, which tidy system folders.
fn configure_apt(apt: &Path) -> Result<PathBuf> {
    for part in ["state", "lists/partial", "cache/archives/partial", "log", "packages"] {
        fs::create_dir_all(apt.join(part))?;
    }
    let root = apt
        .to_str()
        .filter(|path| !path.contains(['"', '\n']))
        .context("the cache folder's path has characters that apt does not take")?;
    let text = format!(
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
    );
    let file = apt.join("apt.conf");
    fs::write(&file, text)?;
    Ok(file)
}

fn apt_command(program: &str, configuration: &Path, apt: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    // `download` puts the packages into the current folder.
    command
        .arg("-q")
        .arg("-c")
        .arg(configuration)
        .args(arguments)
        .current_dir(apt.join("packages"))
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Fetches packages and unpacks them side by side into the folder.
async fn download(folder: &Path, apt: &Path, configuration: &Path, packages: &[String]) -> Result<()> {
    let mut command = apt_command("apt-get", configuration, apt, &["download"]);
    command.args(packages);
    run(command, INSTALL_LIMIT).await?;
    for entry in fs::read_dir(apt.join("packages"))? {
        let package = entry?.path();
        let mut command = Command::new("dpkg");
        command.arg("-x").arg(&package).arg(folder);
        run(command, UNPACK_LIMIT).await?;
        fs::remove_file(package)?;
    }
    Ok(())
}

/// The libraries a package needs, as `apt-cache depends` prints them. The C library is the machine's own in any case.
fn libraries_in(answer: &str) -> Vec<String> {
    let needed = answer.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    needed.filter(|package| package.starts_with("lib") && *package != "libc6").map(str::to_owned).collect()
}

async fn is_installed(package: &str) -> bool {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat", "${db:Status-Status}", package]);
    run(command, UNPACK_LIMIT).await.is_ok_and(|status| status == "installed")
}

/// The folders with the copy's own libraries: `usr/lib/<architecture>`, with or without `usr`.
pub(super) fn library_path(place: &Path) -> Option<String> {
    let roots = ["usr/lib", "lib"].map(|below| place.join(below));
    let folders: Vec<String> = roots
        .iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .collect();
    (!folders.is_empty()).then(|| folders.join(":"))
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
