//! Endpoints of webhooks: one in this process, which answers as told, and one written with a public library.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local_servers::python_packages;
use serde_json::Value;
use testkit::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIBRARY: &str = "standardwebhooks==1.1.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webhook_receiver.py");
/// Far above what a delivery takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// What an endpoint does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Never answers.
    Silence,
    /// A status of success, and a body without end.
    Endless,
    /// Fails the requests whose body contains this text.
    FailIf(&'static str),
}

pub fn status(status: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub headers: HashMap<String, String>,
    pub body: Value,
}

impl ReceivedRequest {
    pub fn message_id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn event_type(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    pub fn title(&self) -> &str {
        self.body["data"]["task"]["after"]["title"].as_str().unwrap_or_default()
    }
}

/// An endpoint on the loopback.
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Receiver {
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self { url, received: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let (received, answer) = (receiver.received.clone(), receiver.answer.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, received.clone(), answer.clone()));
            }
        });
        receiver
    }

    pub fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for this many requests.
    pub async fn until(&self, count: usize) -> Vec<ReceivedRequest> {
        until(&format!("{count} requests"), TIMEOUT, async || self.received().len() >= count).await;
        self.received()
    }
}

/// Serves one request.
async fn serve(
    mut connection: TcpStream,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    answer: Arc<Mutex<Answer>>,
) -> std::io::Result<()> {
    let request = read(&mut connection).await?;
    let text = request.body.to_string();
    received.lock().unwrap().push(request);
    let answer = answer.lock().unwrap().clone();
    match answer {
        Answer::Bytes(bytes) => connection.write_all(&bytes).await,
        Answer::Silence => std::future::pending().await,
        Answer::Endless => {
            connection.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
            loop {
                connection.write_all(&chunk).await?;
            }
        }
        Answer::FailIf(part) => {
            let Answer::Bytes(bytes) =
                status(if text.contains(part) { "500 Internal Server Error" } else { "200 OK" })
            else {
                unreachable!()
            };
            connection.write_all(&bytes).await
        }
    }
}

async fn read(connection: &mut TcpStream) -> std::io::Result<ReceivedRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let headers: HashMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    connection.read_exact(&mut body).await?;
    Ok(ReceivedRequest { headers, body: serde_json::from_slice(&body).unwrap() })
}

/// A receiver that verifies signatures with the library of the Standard Webhooks project.
pub struct LibraryReceiver {
    process: Child,
    directory: tempfile::TempDir,
    pub url: String,
}

impl LibraryReceiver {
    pub async fn start() -> Self {
        let packages =
            python_packages(&package_cache(), LIBRARY, &[LIBRARY], |step| eprintln!("{step}")).await;
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new("python3")
            .arg(SCRIPT)
            .arg(secret_file(directory.path()))
            .env("PYTHONPATH", packages.unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}/hook", port.trim());
        Self { process, directory, url }
    }

    /// Accepts only requests that are signed with this secret.
    pub fn trust(&self, secret: &str) {
        std::fs::write(secret_file(self.directory.path()), secret).unwrap();
    }
}

fn secret_file(directory: &Path) -> PathBuf {
    directory.join("secret")
}

impl Drop for LibraryReceiver {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
