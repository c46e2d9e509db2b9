//! The panels of the dashboards, asked of a real Prometheus that reads a running suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{free_port, until, until_ok};
use tokio::process::{Child, Command};

use super::metrics_at;
use crate::deploy::metric_names::is_ours;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const FILL_TIMEOUT: Duration = Duration::from_secs(60);

/// A Prometheus that reads the suite and evaluates our rules every second.
pub(super) struct Prometheus {
    port: u16,
    _process: Child,
    _directory: TempDir,
}

/// The names of a dashboard and a panel, and an expression as Grafana asks it when everything is chosen.
type Panel = (String, String);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring")
}

fn panels() -> Vec<Panel> {
    let files = fs::read_dir(deploy().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    files.flat_map(|file| panels_of(&file)).collect()
}

fn panels_of(file: &Path) -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let of_panel = |panel: &Value| {
        let name = format!("{}: {}", dashboard["title"], panel["title"]);
        let targets = panel["targets"].as_array().unwrap().iter();
        let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
        let chosen = |expression: String| {
            expression.replace("$job", ".*").replace("$method", ".*").replace("$__rate_interval", "10s")
        };
        expressions.map(|text| (name.clone(), chosen(text))).collect::<Vec<_>>()
    };
    panels.flat_map(of_panel).collect()
}

impl Prometheus {
    /// Reads this port of a suite.
    pub(super) async fn start(suite: u16) -> Self {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
        let promtool = testkit::promtool(&cache, |step: &str| eprintln!("{step}")).await.unwrap();
        let (directory, port) = (TempDir::new().unwrap(), free_port().unwrap());
        let config = directory.path().join("prometheus.yml");
        let rules = deploy().join("rules");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: ['{}/*.yml']\n\
             scrape_configs:\n  - job_name: dafnck\n    static_configs: [{{ targets: ['127.0.0.1:{suite}'] }}]\n",
            rules.canonicalize().unwrap().display()
        );
        fs::write(&config, text).unwrap();
        let process = Command::new(promtool.with_file_name("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let started = Self { port, _process: process, _directory: directory };
        until("Prometheus answers", START_TIMEOUT, async || {
            let listens = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            listens && metrics_at(port, "/-/ready").await.starts_with("HTTP/1.1 200 ")
        })
        .await;
        started
    }

    /// The series that an expression has now.
    async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = metrics_at(self.port, &format!("/api/v1/query?query={encoded}")).await;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let answer: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))?;
        match answer["data"]["result"].as_array() {
            Some(result) if answer["status"] == "success" => Ok(result.clone()),
            _ => Err(answer.to_string()),
        }
    }
}

/// Every panel is a query that Prometheus accepts, and one that asks only for what the suite measures shows something;
/// `is_rare` says of which that need not be.
pub(super) async fn panels_show_the_suite(prometheus: &Prometheus, is_rare: impl Fn(&str) -> bool) {
    let (mut empty, all) = (Vec::new(), panels());
    for panel in &all {
        let (_, expression) = panel;
        prometheus.query(expression).await.unwrap_or_else(|error| panic!("{panel:?}: {error}"));
        if is_ours(expression) && !is_rare(expression) {
            empty.push(panel.clone());
        }
    }
    assert!(all.len() > 60 && empty.len() > 20, "{} panels, {} ours", all.len(), empty.len());
    until_ok("all panels of ours show something", FILL_TIMEOUT, async || {
        let mut still_empty = Vec::new();
        for panel in &empty {
            if prometheus.query(&panel.1).await.unwrap().is_empty() {
                still_empty.push(panel.clone());
            }
        }
        empty = still_empty;
        if empty.is_empty() { Ok(()) } else { Err(empty.clone()) }
    })
    .await;
}
