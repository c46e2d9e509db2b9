//! Frames that no generated client sends.

use super::raw::{EMPTY_MESSAGE, OPEN_METHOD, OPEN_STREAM, frame, outcome, request, send, status_of, whole};
use super::*;

#[tokio::test]
async fn malformed_frames_are_the_clients_mistake() {
    let server = RunningServer::start().await;
    let channel = server.channel().await;
    for (body, expected) in [
        (EMPTY_MESSAGE.to_vec(), "Ok "),
        (Vec::new(), "Unimplemented "),
        (frame(0, 9, b"ab"), "InvalidArgument INVALID_FIELDS"),
        (EMPTY_MESSAGE[..3].to_vec(), "InvalidArgument INVALID_FIELDS"),
        ([EMPTY_MESSAGE, b"\0"].concat(), "Unimplemented "),
        ([EMPTY_MESSAGE, EMPTY_MESSAGE].concat(), "Unimplemented "),
        (frame(7, 0, b""), "InvalidArgument INVALID_FIELDS"),
        (frame(1, 0, b""), "InvalidArgument INVALID_FIELDS"),
        (frame(0, 1, b"\xff"), "InvalidArgument INVALID_FIELDS"),
        (frame(0, u32::MAX, b""), "InvalidArgument TOO_LARGE"),
    ] {
        assert_eq!(outcome(channel.clone(), OPEN_METHOD, body.clone()).await, expected, "{body:?}");
    }
    for (body, expected) in [
        (Vec::new(), "Ok "),
        (frame(0, 9, b"ab"), "InvalidArgument INVALID_FIELDS"),
        (frame(7, 0, b""), "InvalidArgument INVALID_FIELDS"),
        (frame(0, 70_000, b""), "InvalidArgument TOO_LARGE"),
    ] {
        assert_eq!(outcome(channel.clone(), OPEN_STREAM, body.clone()).await, expected, "stream: {body:?}");
    }
}

#[tokio::test]
async fn a_compression_that_is_not_spoken_is_unimplemented() {
    let server = RunningServer::start().await;
    let body = whole(frame(1, 2, b"ab"));
    let compressed = request(OPEN_METHOD).header("grpc-encoding", "gzip").body(body).unwrap();
    let refusal = status_of(send(server.channel().await, compressed).await).await;
    assert_eq!(refusal.code(), Code::Unimplemented);
}

/// What a browser sends as text, over HTTP/1.1.
async fn answer_over_http_1(server: &RunningServer, content_type: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST {OPEN_METHOD} HTTP/1.1\r\nhost: dafnck\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bad_base64_of_a_browser_is_its_mistake() {
    let server = RunningServer::start().await;
    let content_type = "application/grpc-web-text";
    let good = answer_over_http_1(&server, content_type, "AAAAAAA=").await;
    assert!(good.contains("grpc-status:0"), "{good}");
    for bad in ["AAAAAAA!", "!!!!", "AAAAAAA", "AAAAAAA=AAAA="] {
        let answer = answer_over_http_1(&server, content_type, bad).await;
        let code = [3, 12].map(|code| answer.contains(&format!("grpc-status: {code}\r\n")));
        assert!(code.contains(&true), "{bad}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_refused_by_http() {
    let server = RunningServer::start().await;
    for content_type in ["text/plain", "application/json", "application/grpc+json"] {
        let body = whole(EMPTY_MESSAGE.to_vec());
        let mut request = request(OPEN_METHOD).body(body).unwrap();
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let answer = send(server.channel().await, request).await.unwrap();
        assert_eq!(answer.status(), 415, "{content_type}");
        let answer = answer_over_http_1(&server, content_type, "").await;
        assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    }
}
