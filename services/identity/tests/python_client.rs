//! A client in another language, which knows nothing but two addresses, through every flow.

use crate::harness::harness;
use std::path::Path;

use local_servers::python_packages;
use testkit::*;
use tokio::process::Command;

const FLOWS: [&str; 16] = [
    "register",
    "sign_up",
    "profile",
    "sign_in_and_out",
    "refresh",
    "sessions",
    "api_tokens",
    "second_factor",
    "verify_address",
    "change_address",
    "change_password",
    "reset_password",
    "security_events",
    "export",
    "operators",
    "delete",
];

/// A gRPC client with reflection, pinned, and the name of its private copy: another when the pins change.
const GRPC: [&str; 3] = ["grpcio==1.85.3", "grpcio-reflection==1.85.1", "cryptography==48.0.0"];
const GRPC_FOLDER: &str = "python-client-1.85.3";

#[tokio::test]
async fn a_python_client_completes_every_flow() {
    let suite = harness().start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = folder.join("../../.local/cache");
    let packages = python_packages(&cache, GRPC_FOLDER, &GRPC, |step| eprintln!("{step}")).await.unwrap();
    let address = |url: &str| url.split_once("://").unwrap().1.to_owned();
    let certificates = suite.options.certificates.iter().map(|folder| ("CERTIFICATES", folder));

    let output = Command::new("python3")
        .arg(folder.join("tests/client.py"))
        .arg(address(&suite.siblings.identity_url))
        .arg(address(&suite.siblings.project_url))
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(["backend", "operator-eva"].map(|name| (format!("KEY_{name}"), keys::private_key(name))))
        .envs(certificates)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();

    let held = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "held: {held}\n{complaint}");
    assert_eq!(held.lines().collect::<Vec<_>>(), FLOWS);
}
