//! `dafnck run --tls`, as a process, and what an operator does with a suite that speaks nothing but TLS.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use suite::testing::Actor;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::dafnck::{Ran, dafnck};

/// A running suite and its folder.
struct Local {
    folder: TempDir,
    ports: [u16; 6],
    process: Child,
    /// What it said when it ran.
    summary: String,
}

impl Local {
    async fn start() -> Self {
        // The servers' user, another one when root runs the tests, passes through.
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let listeners = [(); 6].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let [services @ .., postgres, redis] = ports.map(|port| port.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_dafnck"));
        command.args(["run", "--tls", "--ports", &services.join(",")]);
        command.args(["--postgres-port", &postgres, "--redis-port", &redis]);
        command.args(["--data-folder", folder.path().join("data").to_str().unwrap()]);
        command.env("DAFNCK_CACHE_FOLDER", Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache"));
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut summary = String::new();
        while !summary.contains("To take over data") {
            summary += &lines.next_line().await.unwrap().expect("it ended before it ran");
            summary.push('\n');
        }
        // Nobody reads what else it says, and it must be able to say it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { folder, ports, process, summary }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Somebody new, who calls as the summary says: believing the authority in the data folder.
    async fn register(&self, name: &str) -> Actor {
        let authority = Certificate::from_pem(fs::read(self.path("certificates/ca.pem")).unwrap());
        let tls = ClientTlsConfig::new().ca_certificate(authority);
        let [a, b, c, d, ..] = self.ports;
        let channel = |port| {
            let endpoint = Channel::from_shared(format!("https://localhost:{port}")).unwrap();
            endpoint.tls_config(tls.clone()).unwrap().connect_lazy()
        };
        Actor::register_over([a, b, c, d].map(channel), name).await
    }

    /// A command of the operator, who says where the suite is, but not that it speaks TLS.
    async fn operate(&self, arguments: &[&str]) -> Ran {
        let [a, b, c, d, postgres, redis] = self.ports;
        let [a, b, c, d] = [a, b, c, d].map(|port| format!("http://127.0.0.1:{port}"));
        let (postgres, redis) = (postgres.to_string(), redis.to_string());
        let (data, cache) = (self.path(""), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache"));
        let variables = [
            ("DAFNCK_IDENTITY_URL", a.as_str()),
            ("DAFNCK_PROJECT_URL", &b),
            ("DAFNCK_TASK_URL", &c),
            ("DAFNCK_CONTENT_URL", &d),
            ("DAFNCK_POSTGRES_PORT", &postgres),
            ("DAFNCK_REDIS_PORT", &redis),
            ("DAFNCK_DATA_FOLDER", data.to_str().unwrap()),
            ("DAFNCK_CACHE_FOLDER", cache.to_str().unwrap()),
        ];
        dafnck(arguments, &variables).await
    }
}

#[tokio::test]
async fn a_suite_that_speaks_nothing_but_tls_is_operated_like_any_other() {
    let mut local = Local::start().await;
    assert!(local.summary.contains("TLS, on loopback"), "{}", local.summary);
    let how = format!("grpcurl -cacert {} ", local.path("certificates/ca.pem").display());
    assert!(local.summary.contains(&how) && !local.summary.contains("-plaintext"), "{}", local.summary);
    local.register("olga").await;

    let users = local.operate(&["user", "list"]).await;
    assert!(users.code == Some(0) && users.out.contains("olga"), "{users:?}");
    let exported = local.path("export.jsonl");
    let export = local.operate(&["export", exported.to_str().unwrap()]).await;
    assert_eq!(export.code, Some(0), "{export:?}");
    let health = local.operate(&["health"]).await;
    assert_eq!((health.code, health.out.matches("ready").count()), (Some(0), 4), "{health:?}");
    let maintained = local.operate(&["maintain", "--now"]).await;
    assert_eq!(maintained.code, Some(0), "{maintained:?}");
    let well = local.operate(&["doctor"]).await;
    for check in ["task is ready at https://", "8 roles can use the database", "operator.pem ends"] {
        assert!(well.out.contains(check), "{check}: {well:?}");
    }
    assert_ne!(well.code, Some(2), "{well:?}");
    let backup = local.folder.path().join("backup");
    let backed_up = local.operate(&["backup", "--backup-folder", backup.to_str().unwrap()]).await;
    assert_eq!(backed_up.code, Some(0), "{backed_up:?}");

    for (what, url) in [("plain text", "http"), ("an unknown authority", "https")] {
        let url = format!("{url}://127.0.0.1:{}", local.ports[0]);
        let refused = dafnck(&["health", "--at", &url], &[]).await;
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
    }
    let id = local.process.id().unwrap().to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await.unwrap().success());
    assert!(local.process.wait().await.unwrap().success());
}
