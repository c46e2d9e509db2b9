//! The validators of protovalidate's authors for Python and, where Go is installed, for Go, each in a process of its own.
//! Both must give the same verdict, except about times and durations that are none: one compares them, the other does not.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use local_servers::python_packages;
use local_servers::tools::on_path;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::values;

/// The validator for Python, pinned, and the name of its private copy: another when the pins change. That for Go is pinned in
/// `oracle_go/go.mod`.
const PACKAGES: [&str; 2] = ["protovalidate==2.1.0", "protobuf==7.36.2"];
const DIRECTORY: &str = "python-protovalidate-2.1.0";

/// A rule that a message breaks.
#[derive(Clone, Debug, Deserialize)]
pub struct Violation {
    /// As `tasks[3].title`; that of the message itself for a rule about several fields.
    pub path: String,
    /// As `string.uuid`. Empty if the rules cannot be evaluated.
    pub rule: String,
    pub text: String,
}

/// Says which rules of their annotations messages break.
pub struct Oracle {
    python: Judge,
    go: Option<Judge>,
}

impl Oracle {
    /// Starts the validators with the descriptors of the suite.
    pub async fn start(directory: &Path) -> Self {
        let descriptors = directory.join("descriptors.binpb");
        std::fs::write(&descriptors, proto::DESCRIPTOR_SET).unwrap();
        let mut python = python().await;
        let go = go(directory).await.map(|program| Judge::start(Command::new(program).arg(&descriptors)));
        Self { python: Judge::start(python.arg(&descriptors)), go }
    }

    /// The rules that the message breaks.
    pub async fn judge(&mut self, message: &DynamicMessage) -> Vec<Violation> {
        let violations = self.python.judge(message).await;
        if let Some(go) = self.go.as_mut().filter(|_| !values::is_out_of_range(message)) {
            let by_go = go.judge(message).await;
            assert_eq!(broken(&by_go), broken(&violations), "Go and Python about {message}");
        }
        violations
    }
}

/// The paths and rules of violations, in one order.
fn broken(violations: &[Violation]) -> Vec<(&str, &str)> {
    let mut broken: Vec<_> =
        violations.iter().map(|violation| (violation.path.as_str(), violation.rule.as_str())).collect();
    broken.sort_unstable();
    broken
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agreement")
}

async fn python() -> Command {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/cache");
    let packages = python_packages(&cache, DIRECTORY, &PACKAGES, |step| eprintln!("{step}")).await.unwrap();
    let mut command = Command::new("python3");
    command.arg(sources().join("oracle.py")).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Builds the program for Go; `None` without Go.
async fn go(directory: &Path) -> Option<PathBuf> {
    if on_path("go").is_empty() {
        eprintln!("WARNING: Go is not installed: its protovalidate was NOT compared with the server");
        return None;
    }
    let program = directory.join("oracle");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(sources().join("oracle_go"));
    assert!(build.status().await.unwrap().success(), "the validator for Go is not built");
    Some(program)
}

/// A validator that runs.
struct Judge {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Judge {
    fn start(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = pipes.kill_on_drop(true).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { input: process.stdin.take().unwrap(), output, _process: process }
    }

    async fn judge(&mut self, message: &DynamicMessage) -> Vec<Violation> {
        let name = message.descriptor().full_name().to_owned();
        let line = format!("{name} {}\n", hex::encode(message.encode_to_vec()));
        self.input.write_all(line.as_bytes()).await.unwrap();
        let answer =
            self.output.next_line().await.unwrap().unwrap_or_else(|| panic!("no answer about {name}"));
        serde_json::from_str(&answer).unwrap()
    }
}
