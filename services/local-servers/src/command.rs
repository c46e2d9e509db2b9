//! Running other programs: as whom, for how long at most, and what to say when they fail.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

/// Lines of a failed program's output that an error repeats.
const OUTPUT_TAIL_LINES: usize = 15;
const NOBODY: u32 = 65534;

/// The user the servers run as: ourselves, unless we are root, because PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OsUser {
    instead_of_root: Option<(u32, u32)>,
}

impl OsUser {
    /// As root: `nobody`.
    pub fn of_servers() -> Self {
        let instead_of_root = geteuid().is_root().then(nobody);
        Self { instead_of_root }
    }

    /// `uid` and `gid` when they differ from our own.
    pub fn other_user(self) -> Option<(u32, u32)> {
        self.instead_of_root
    }

    /// A command run as this user with a clean environment, so that neither our secrets nor somebody's `PG*`
    /// settings reach the servers.
    pub fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        if let Some((uid, gid)) = self.instead_of_root {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands a file or directory over to this user.
    ///
    /// # Errors
    /// When it cannot be changed.
    pub fn change_owner(self, path: &Path) -> Result<()> {
        match self.instead_of_root {
            Some((uid, gid)) => std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot hand {} over to user {uid}", path.display())),
            None => Ok(()),
        }
    }
}

fn nobody() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().find_map(nobody_of).unwrap_or((NOBODY, NOBODY))
}

fn nobody_of(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    (fields.next() == Some("nobody")).then_some(())?;
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Runs a program to its end and returns what it printed; an error repeats the end of its output.
///
/// # Errors
/// When the program fails, with the end of its output, or takes longer than the limit.
pub async fn run(mut command: Command, limit: Duration) -> Result<String> {
    let name = describe(&command);
    command.stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let Ok(output) = tokio::time::timeout(limit, command.output()).await else {
        bail!("`{name}` did not finish within {} s", limit.as_secs());
    };
    let output = output.with_context(|| format!("cannot run `{name}`"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = format!("{printed}\n{}", String::from_utf8_lossy(&output.stderr));
        bail!("`{name}` failed ({}):\n{}", output.status, tail(&complaint, OUTPUT_TAIL_LINES));
    }
    Ok(printed)
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last non-empty lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let mut last: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(lines).collect();
    last.reverse();
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{nobody_of, tail};

    #[test]
    fn nobody_is_read_from_the_user_list() {
        assert_eq!(
            nobody_of("nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin"),
            Some((65534, 65533))
        );
        assert_eq!(nobody_of("root:x:0:0:root:/root:/bin/bash"), None);
    }

    #[test]
    fn a_tail_keeps_order_and_skips_empty_lines() {
        assert_eq!(tail("a\nb\n\nc\n", 2), "b\nc");
    }
}
