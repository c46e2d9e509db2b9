//! The validator of protovalidate's authors, in a process of its own.

use std::path::Path;
use std::process::Stdio;

use local_servers::python_packages;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The validator, pinned, and the name of its private copy: another when the pins change.
const PACKAGES: [&str; 2] = ["protovalidate==2.1.0", "protobuf==7.36.2"];
const DIRECTORY: &str = "python-protovalidate-2.1.0";

/// A rule that a message breaks.
#[derive(Clone, Debug)]
pub struct Violation {
    /// As `tasks[3].title`; that of the message itself for a rule about several fields.
    pub path: String,
    pub text: String,
}

/// Says which rules of their annotations messages break.
pub struct Oracle {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Oracle {
    /// Starts the validator with the descriptors of the suite.
    pub async fn start(directory: &Path) -> Self {
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cache = crate_directory.join("../../.local/cache");
        let packages =
            python_packages(&cache, DIRECTORY, &PACKAGES, |step| eprintln!("{step}")).await.unwrap();
        let descriptors = directory.join("descriptors.binpb");
        std::fs::write(&descriptors, proto::DESCRIPTOR_SET).unwrap();
        let mut process = Command::new("python3")
            .arg(crate_directory.join("tests/agreement/oracle.py"))
            .arg(&descriptors)
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { input: process.stdin.take().unwrap(), output, _process: process }
    }

    /// The rules that the message breaks.
    pub async fn judge(&mut self, message: &DynamicMessage) -> Vec<Violation> {
        let name = message.descriptor().full_name().to_owned();
        let line = format!("{name} {}\n", hex::encode(message.encode_to_vec()));
        self.input.write_all(line.as_bytes()).await.unwrap();
        let answer =
            self.output.next_line().await.unwrap().unwrap_or_else(|| panic!("no answer about {name}"));
        let violations: Vec<(String, String, String)> = serde_json::from_str(&answer).unwrap();
        violations.into_iter().map(|(path, _rule, text)| Violation { path, text }).collect()
    }
}
