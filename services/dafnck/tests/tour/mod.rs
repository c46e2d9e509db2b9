//! The tours of the documents, as a reader pastes them into a shell: each twice in a row.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use local_servers::python_packages;
use testkit::{Suite, Topology};
use tokio::process::Command;

use crate::harness::harness;

/// A gRPC client with reflection, and the name of its private copy: another when the pins change.
const GRPC: [&str; 2] = ["grpcio==1.85.3", "grpcio-reflection==1.85.1"];
const GRPC_DIRECTORY: &str = "python-grpc-1.85.3";
/// How grpcurl ends when a call answers `FAILED_PRECONDITION`: 64 and the number of the code.
const FAILED_PRECONDITION: i32 = 64 + 9;

/// The shell blocks of a page, from this heading of the second level to the next one, or of all of it.
fn blocks(page: &str, heading: Option<&str>) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
    let (mut is_within, mut is_shell, mut found) = (heading.is_none(), false, String::new());
    for line in text.lines() {
        match line {
            "```sh" if is_within => is_shell = true,
            "```" => is_shell = false,
            line if is_shell => found += &format!("{line}\n"),
            line if heading.is_some() && line.starts_with("## ") => {
                is_within = heading == line.strip_prefix("## ")
            }
            _ => {}
        }
    }
    assert!(!found.is_empty(), "{page} has no shell blocks");
    found
}

/// Runs a script with a `grpcurl` on its path, and with the address of this suite.
async fn run(suite: &Suite, script: &str) -> Output {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
    let packages = python_packages(&cache, GRPC_DIRECTORY, &GRPC, |step| eprintln!("{step}")).await.unwrap();
    let programs = tempfile::tempdir().unwrap();
    let grpcurl = programs.path().join("grpcurl");
    fs::write(&grpcurl, include_str!("grpcurl")).unwrap();
    fs::set_permissions(&grpcurl, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).env("PATH", path).env("PYTHONPATH", packages);
    command.env("API", suite.gateway_url().trim_start_matches("http://"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true).output().await.unwrap()
}

#[tokio::test]
async fn the_long_tour_runs_twice_in_a_row() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    for _ in 0..2 {
        let Output { status, stdout, stderr } = run(&suite, &blocks("proto/TOUR.md", None)).await;
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(status.success(), "{status}\n{out}\n{err}");
    }
}

#[tokio::test]
async fn the_tour_of_the_readme_ends_with_the_error_that_it_shows() {
    let suite = harness().with_gateway().start_in(Topology::PLAIN).await;
    let script = blocks("README.md", Some("A short tour")).replace("127.0.0.1:50050", "$API");
    for _ in 0..2 {
        let Output { status, stdout, stderr } = run(&suite, &script).await;
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(status.code(), Some(FAILED_PRECONDITION), "{out}\n{err}");
        for words in
            ["Code: FailedPrecondition", "tasks that block this one are open", r#""reason": "TASK_BLOCKED""#]
        {
            assert!(err.contains(words), "{err}");
        }
    }
}
