//! The server of the console, and whom the suite lets call.

use std::fs;

use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::local_suite::Machine;

/// What an answer to anybody must have.
const HEADERS: [&str; 5] = [
    "x-content-type-options: nosniff",
    "referrer-policy: no-referrer",
    "cross-origin-resource-policy: same-origin",
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ",
    "; frame-ancestors 'none'; ",
];

/// Sends a request over HTTP/1.1; the whole answer.
async fn send(url: &str, method: &str, path: &str, headers: &[&str]) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let headers = headers.join("\r\n");
    let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn host(url: &str) -> String {
    format!("host: {}", url.trim_start_matches("http://"))
}

pub async fn answers_under_the_names_of_the_loopback_only(machine: &Machine) {
    let url = machine.console_url();
    let port = url.rsplit(':').next().unwrap();
    let page = send(&url, "GET", "/", &[&host(&url)]).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<title>Dafnck console"), "{page}");
    for other in ["localhost", "[::1]"] {
        let sent_on = send(&url, "GET", "/app.js", &[&format!("host: {other}:{port}")]).await;
        assert!(
            sent_on.starts_with("HTTP/1.1 307") && sent_on.contains(&format!("location: {url}/app.js")),
            "{sent_on}"
        );
    }
    for name in
        [format!("rebound.example.org:{port}"), "127.0.0.1".into(), "127.0.0.1:1".into(), String::new()]
    {
        for path in ["/", "/config.json", "/status.json"] {
            let refusal = send(&url, "GET", path, &[&format!("host: {name}")]).await;
            assert!(refusal.starts_with("HTTP/1.1 421"), "{name}: {refusal}");
        }
    }
    for (method, path, status) in
        [("POST", "/", 405), ("GET", "/../Cargo.toml", 404), ("GET", "/none.js", 404)]
    {
        let refusal = send(&url, method, path, &[&host(&url), "content-length: 0"]).await;
        assert!(refusal.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {refusal}");
        for header in HEADERS {
            assert!(refusal.contains(header), "{header}: {refusal}");
        }
    }
}

pub async fn foreign_pages_are_refused(machine: &Machine) {
    let url = machine.console_url();
    for header in
        ["origin: http://rebound.example.org", "sec-fetch-site: cross-site", "sec-fetch-site: same-site"]
    {
        let refusal = send(&url, "GET", "/status.json", &[&host(&url), header]).await;
        assert!(refusal.starts_with("HTTP/1.1 403"), "{header}: {refusal}");
    }
    assert!(is_allowed_to_call(machine, &url).await);
    for foreign in ["http://rebound.example.org", "http://localhost:1", "null"] {
        assert!(!is_allowed_to_call(machine, foreign).await, "{foreign}");
    }
}

/// Whether the suite lets the scripts of pages of this origin call.
pub async fn is_allowed_to_call(machine: &Machine, origin: &str) -> bool {
    let url = machine.gateway_url();
    let headers = [&host(&url), &format!("origin: {origin}"), "access-control-request-method: POST"];
    let answer = send(&url, "OPTIONS", "/dafnck.task.v1.TaskService/ListTasks", &headers).await;
    answer.to_lowercase().contains(&format!("access-control-allow-origin: {origin}\r\n"))
}

pub async fn findings_hold_no_secrets(machine: &Machine) {
    let url = machine.console_url();
    let answer = send(&url, "GET", "/status.json", &[&host(&url)]).await;
    assert!(answer.contains(r#""check":"service""#) && answer.contains(r#""level":"#), "{answer}");
    let data = machine.path("data");
    let servers = local_servers::server_directory(&data).unwrap();
    let files = [servers.join("secrets"), data.join("suite-secrets"), data.join("operator-key")];
    let text: String = files.map(|path| fs::read_to_string(path).unwrap()).concat();
    let secrets: Vec<&str> =
        Regex::new("[A-Za-z0-9+/=]{24,}").unwrap().find_iter(&text).map(|found| found.as_str()).collect();
    assert!(secrets.len() > 10, "{secrets:?}");
    assert!(secrets.iter().all(|secret| !answer.contains(secret)), "{answer}");
}
