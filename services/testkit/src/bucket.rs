//! An S3 bucket on a real server (moto) in a process of its own.

use local_servers::tools::free_port;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use local_servers::python_packages;

use super::workspace::cache;

const SERVER: &str = "moto-5.2.1";
const PACKAGES: [&str; 5] = ["moto==5.2.1", "flask", "flask-cors", "py-partiql-parser", "PyYAML"];
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Kills the server when standard input is closed, which happens at the latest when this process ends.
const SUPERVISOR: &str = r#""$@" & pid=$!; cat >/dev/null; kill -9 $pid; wait"#;

/// The server with one bucket, `files`. Object names begin with `suite/`.
pub struct Bucket {
    supervisor: Child,
    port: u16,
    /// Directory of Python packages: the server's, and those that Python clients need.
    pub packages: PathBuf,
}

impl Bucket {
    pub async fn start() -> Self {
        let packages =
            python_packages(&cache(), SERVER, &PACKAGES, |step| eprintln!("{step}")).await.unwrap();
        let port = free_port().unwrap();
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "sh", "python3", "-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .env("PYTHONPATH", &packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { supervisor, port, packages };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(start.elapsed() < START_TIMEOUT, "the server does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bucket.request("PUT /files");
        bucket
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bucket and the prefix of object names.
    pub const URL: &str = "s3://files/suite";
    pub const ACCESS_KEY_ID: &str = "id";
    pub const SECRET_ACCESS_KEY: &str = "key";

    fn request(&self, line: &str) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        // The server does not verify the signature, but refuses to delete without one.
        let head = "Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
                    Credential=id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none";
        write!(connection, "{line} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        answer
    }

    /// Names of the objects, without the prefix.
    pub fn objects(&self) -> Vec<String> {
        let listed = self.request("GET /files?list-type=2");
        let mut names: Vec<String> = listed
            .split("<Key>suite/")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    pub fn delete(&self, name: &str) {
        self.request(&format!("DELETE /files/suite/{name}"));
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().unwrap();
    }
}
