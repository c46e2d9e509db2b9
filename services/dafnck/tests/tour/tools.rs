//! What answers to the name `grpcurl` in a tour.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use local_servers::python_packages;
use local_servers::tools::{on_path, private_copy};
use tempfile::TempDir;
use tokio::process::Command;

/// grpcurl, which Go builds, and the name of its private copy: another when the pin changes.
const GRPCURL: &str = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
const GRPCURL_DIRECTORY: &str = "grpcurl-1.9.4";
/// A gRPC client with reflection, for machines without Go.
const GRPC: [&str; 2] = ["grpcio==1.85.3", "grpcio-reflection==1.85.1"];
const GRPC_DIRECTORY: &str = "python-grpc-1.85.3";
const BUF: [&str; 1] = ["buf-bin==1.75.0"];
const BUF_DIRECTORY: &str = "python-buf-1.75.0";

/// A directory with a program `grpcurl`.
pub(super) struct Tool {
    programs: PathBuf,
    /// The Python packages that the program needs.
    packages: Option<PathBuf>,
    /// How it writes the mask of one path, for `printf`.
    mask: &'static str,
    _directory: Option<TempDir>,
}

impl Tool {
    /// grpcurl itself, else what stands in for it.
    pub(super) async fn grpcurl() -> Self {
        let mask = r#"{"paths": ["%s"]}"#;
        if !on_path("go").is_empty() {
            return Self { programs: build_grpcurl().await, packages: None, mask, _directory: None };
        }
        eprintln!("WARNING: Go is not installed: the tours run without grpcurl itself");
        Self { mask, ..Self::of_script(include_str!("grpcurl"), GRPC_DIRECTORY, &GRPC).await }
    }

    /// `buf curl`, with the options of grpcurl.
    pub(super) async fn buf_curl() -> Self {
        Self { mask: r#""%s""#, ..Self::of_script(include_str!("buf_curl"), BUF_DIRECTORY, &BUF).await }
    }

    async fn of_script(script: &str, name: &str, packages: &[&str]) -> Self {
        let packages = python_packages(&cache(), name, packages, |step| eprintln!("{step}")).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("grpcurl");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let programs = directory.path().to_owned();
        Self { programs, packages: Some(packages), mask: "", _directory: Some(directory) }
    }

    /// A shell that finds the program.
    pub(super) fn shell(&self) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command.env("PATH", format!("{}:{path}", self.programs.display())).env("MASK", self.mask);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
        }
        command
    }
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache")
}

async fn build_grpcurl() -> PathBuf {
    let (cache, message) = (cache(), "building grpcurl (private copy)…");
    let built =
        private_copy(&cache, GRPCURL_DIRECTORY, message, &|step| eprintln!("{step}"), async |directory| {
            let mut install = Command::new("go");
            let status = install.args(["install", GRPCURL]).env("GOBIN", &directory).status().await?;
            anyhow::ensure!(status.success(), "grpcurl is not built");
            Ok(())
        });
    built.await.unwrap()
}
