//! The programs of services, for tests in which a service runs as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

static BUILDING: Mutex<()> = Mutex::new(());

/// The program of a service, in cargo's output directory of this test. It is built when it is missing or older than one
/// of its sources. `cargo test --workspace` has built it before.
pub fn program(name: &str) -> PathBuf {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let program = directory().join(name);
    if !is_fresh(&program) {
        build(name);
    }
    assert!(program.is_file(), "cargo did not build {}", program.display());
    program
}

/// `target/debug`, above `target/debug/deps`.
fn directory() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Whether the program is newer than all sources in cargo's dependency file.
fn is_fresh(program: &Path) -> bool {
    let (Some(built), Ok(listed)) = (changed(program), std::fs::read_to_string(program.with_extension("d")))
    else {
        return false;
    };
    let sources = listed.split_once(": ").map_or("", |(_, sources)| sources);
    sources.split_whitespace().all(|source| changed(Path::new(source)).is_some_and(|time| time <= built))
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn build(name: &str) {
    let directory = directory();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", name, "--bin", name, "--target-dir"]);
    cargo.arg(directory.parent().unwrap());
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(super::workspace::workspace()).status().unwrap();
    assert!(status.success(), "cargo cannot build {name}: {status}");
}
