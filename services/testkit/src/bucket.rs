//! A bucket: a real server that speaks S3 (moto), in a process of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use local_servers::python_packages;

use super::servers::workspace;

const SERVER: &str = "moto-5.2.1";
const PACKAGES: [&str; 5] = ["moto==5.2.1", "flask", "flask-cors", "py-partiql-parser", "PyYAML"];
const START_LIMIT: Duration = Duration::from_secs(120);
/// Ends the server when its standard input ends, which it does with this process, however that ends.
const GUARDED: &str = r#""$@" & pid=$!; cat >/dev/null; kill -9 $pid; wait"#;

/// The server with one bucket, `files`, in which names begin with `suite/`.
pub struct Bucket {
    guard: Child,
    port: u16,
    /// The server's Python packages, with those that clients in Python need.
    pub packages: PathBuf,
}

impl Bucket {
    pub async fn start() -> Self {
        let cache = workspace().join(".local/cache");
        let packages = python_packages(&cache, SERVER, &PACKAGES, |step| eprintln!("{step}")).await.unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARDED, "sh", "python3", "-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .env("PYTHONPATH", &packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { guard, port, packages };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(start.elapsed() < START_LIMIT, "the server does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bucket.request("PUT /files");
        bucket
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bucket, and what the names of all objects begin with.
    pub const URL: &str = "s3://files/suite";
    /// Key of the account.
    pub const ACCESS_KEY_ID: &str = "id";
    pub const SECRET_ACCESS_KEY: &str = "key";

    fn request(&self, line: &str) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        // Whose signature it is, nobody looks at; without one, nothing is deleted.
        let head = "Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
                    Credential=id/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none";
        write!(connection, "{line} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        answer
    }

    /// Names of the objects below the prefix.
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

    /// Loses an object.
    pub fn delete(&self, name: &str) {
        self.request(&format!("DELETE /files/suite/{name}"));
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().unwrap();
    }
}
