//! Browsers: gRPC-Web over HTTP/1.1, and the pages that may call.

use super::*;

impl RunningServer {
    /// The answer to a request over HTTP/1.1, as text in lower case.
    async fn http1(&self, request: &str) -> String {
        let mut connection = TcpStream::connect(self.address()).await.unwrap();
        let request = format!("{request}host: dafnck\r\nconnection: close\r\n\r\n\0\0\0\0\0");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).to_lowercase()
    }
}

#[tokio::test]
async fn a_browser_is_answered_over_http_1() {
    let server = RunningServer::start().await;
    let answer = server.http1(&format!("POST /grpc.health.v1.Health/Check HTTP/1.1\r\n{GRPC_WEB}")).await;
    assert!(answer.starts_with("http/1.1 200 ok") && answer.contains("grpc-status:0"), "{answer}");
    assert!(!answer.contains("access-control"), "{answer}");
}

const GRPC_WEB: &str = "content-type: application/grpc-web+proto\r\ncontent-length: 5\r\n";

/// How a browser asks whether a page may call a method.
fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /dafnck.project.backend.v1.AccessService/GetProjectAccess HTTP/1.1\r\norigin: {origin}\r\n\
         access-control-request-method: POST\r\n\
         access-control-request-headers: authorization,content-type,x-grpc-web\r\ncontent-length: 5\r\n"
    )
}

const PAGE: &str = "https://app.example.org";

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_read_the_status() {
    let cors = CorsOptions { allowed_origins: vec![PAGE.parse().unwrap()] };
    let server = RunningServer::start_for(cors, LimitOptions::default(), true).await;
    // A browser sends no token with it: it is answered before authentication.
    let answer = server.http1(&preflight(PAGE)).await;
    for line in [
        "http/1.1 200 ok",
        "access-control-allow-origin: https://app.example.org",
        "access-control-allow-methods: post",
        "access-control-allow-headers: authorization,content-type,x-grpc-web",
        "access-control-max-age: 7200",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert!(!answer.contains("access-control-allow-credentials"), "{answer}");

    let call = "POST /dafnck.project.backend.v1.AccessService/GetProjectAccess HTTP/1.1\r\n";
    let answer = server.http1(&format!("{call}origin: {PAGE}\r\n{GRPC_WEB}")).await;
    assert!(answer.contains("audience_refused") || answer.contains("grpc-status: 7"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example.org"), "{answer}");
    let exposed = "access-control-expose-headers: \
                   grpc-status,grpc-message,grpc-status-details-bin,dafnck-consistency-token";
    assert!(answer.contains(exposed), "{answer}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_not_allowed() {
    let cors = CorsOptions { allowed_origins: vec![PAGE.parse().unwrap()] };
    let server = RunningServer::start_for(cors, LimitOptions::default(), true).await;
    for origin in ["https://evil.example.org", "http://app.example.org", "null"] {
        let answer = server.http1(&preflight(origin)).await;
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
    let answer = RunningServer::start().await.http1(&preflight(PAGE)).await;
    assert!(!answer.contains("access-control"), "{answer}");
}
