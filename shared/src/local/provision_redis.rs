//! Finds Redis 7 or newer, or unpacks Debian's packages into the cache.
//!
//! apt runs with lists, state and cache folders of its own: it then works for any user and with whatever lists the
//! machine has, and changes nothing outside our folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Progress;
use super::command::{Identity, run};
use super::provision::{self, Copy, Program, on_path};

const OLDEST_MAJOR: u32 = 7;
const COPY: &str = "redis-7";
const SERVER: &str = "redis-server";
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const UNPACK_LIMIT: Duration = Duration::from_secs(60);

/// The given folder if there is one, else the one on PATH, else the private copy.
pub(super) async fn find_or_install(
    given: Option<&Path>,
    cache: &Path,
    identity: Identity,
    progress: Progress<'_>,
) -> Result<Program> {
    if let Some(folder) = given {
        let found = check(folder, None, identity).await;
        return found.with_context(|| {
            format!("the given folder {} has no usable Redis >= {OLDEST_MAJOR}", folder.display())
        });
    }
    let mut tried = Vec::new();
    for folder in on_path(SERVER) {
        match check(&folder, None, identity).await {
            Ok(found) => {
                progress(&format!("using Redis {} from {}", found.version, folder.display()));
                return Ok(found);
            }
            Err(reason) => tried.push(format!("{}: {reason:#}", folder.display())),
        }
    }
    let copy = private_copy(cache, identity, progress).await;
    copy.with_context(|| {
        let tried = if tried.is_empty() { "none on PATH".to_owned() } else { tried.join("; ") };
        format!("no Redis >= {OLDEST_MAJOR} (installed ones: {tried}), and a private copy could not be made. Install redis-server >= {OLDEST_MAJOR} or pass --redis-bin-dir")
    })
}

async fn check(folder: &Path, library_path: Option<String>, identity: Identity) -> Result<Program> {
    Program::ask(folder, SERVER, library_path, identity).await?.at_least(OLDEST_MAJOR)
}

async fn private_copy(cache: &Path, identity: Identity, progress: Progress<'_>) -> Result<Program> {
    let place = match provision::copy(cache, COPY, progress).await? {
        Copy::Present(place) => place,
        Copy::Missing(unfinished) => {
            progress(
                "installing Redis 7 (private copy of Debian's package: 1 MB, and 9 MB of package lists)…",
            );
            unpack_packages(&unfinished.folder).await?;
            unfinished.finish()?
        }
    };
    let copy = check(&place.join("usr/bin"), library_path(&place), identity).await;
    let copy = copy.with_context(|| {
        format!("the private copy in {} does not run: remove it to have it installed again", place.display())
    })?;
    progress(&format!("using Redis {} (private copy)", copy.version));
    Ok(copy)
}

async fn unpack_packages(folder: &Path) -> Result<()> {
    let apt = folder.join("apt");
    let configuration = configure_apt(&apt)?;
    // One source of several that does not answer fails the update; only the download tells whether it matters.
    let update = run(apt_command("apt-get", &configuration, &apt, &["update"]), INSTALL_LIMIT).await;
    let downloaded =
        download(folder, &apt, &configuration, &[SERVER.to_owned(), "redis-tools".to_owned()]).await;
    match (downloaded, update) {
        (Err(error), Err(update)) => return Err(error.context(format!("{update:#}"))),
        (downloaded, _) => downloaded?,
    }
    let answer =
        run(apt_command("apt-cache", &configuration, &apt, &["depends", "redis-tools"]), UNPACK_LIMIT)
            .await?;
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
    if fs::symlink_metadata(folder.join("usr/bin").join(SERVER)).is_err() {
        bail!("the packages hold no {SERVER}");
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
fn library_path(place: &Path) -> Option<String> {
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
