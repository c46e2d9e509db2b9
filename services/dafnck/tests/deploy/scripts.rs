//! Programs of the shell that stand in for those of an image.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// In the place of `sleep`: ends when nothing else runs that the process which called it has begun.
pub const UNTIL_NOTHING_RUNS: &str =
    r#"until [ "$(wc -w </proc/$PPID/task/$PPID/children)" -eq 1 ]; do /bin/sleep 0.02; done"#;

/// Makes a program of the shell.
pub fn write_program(path: &Path, does: &str) {
    fs::write(path, format!("#!/bin/sh\n{does}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
