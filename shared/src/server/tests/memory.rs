//! Bytes in flight: requests, and answers that nobody reads.

use http_body_util::BodyExt as _;
use prost::Message as _;

use super::raw::{OPEN_STREAM, by_hand, frame, outcome, request, send, status_of, whole};
use super::*;

/// Room for 1 MiB, of which an address may have a quarter.
fn small() -> LimitOptions {
    LimitOptions { max_bytes_in_flight: 1024 * 1024, ..LimitOptions::default() }
}

const ACCESS_METHOD: &str = "/dafnck.project.backend.v1.AccessService/GetProjectAccess";

/// Asks as a service for an answer of so many bytes, and reads its head only.
async fn ask_without_reading(
    channel: &Channel,
    size: usize,
    timeout: &str,
) -> Result<http::Response<tonic::body::Body>, Status> {
    let message =
        pb::GetProjectAccessRequest { project_id: size.to_string(), known_revision: 0 }.encode_to_vec();
    let signature = signer().authorization(ACCESS_METHOD);
    let body = whole(frame(0, u32::try_from(message.len()).unwrap(), &message));
    let head = request(ACCESS_METHOD).header("authorization", signature).header("grpc-timeout", timeout);
    send(channel.clone(), head.body(body).unwrap()).await
}

/// A connection of a client that takes 64 KiB before it has read them.
fn narrow(server: &RunningServer) -> Channel {
    let endpoint = Endpoint::from_shared(server.url.clone()).unwrap();
    endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535).connect_lazy()
}

#[tokio::test]
async fn an_answer_that_is_not_read_counts_until_its_deadline_and_then_ends() {
    let server = RunningServer::start_with(small()).await;
    let [channel, second, other] = [(); 3].map(|()| narrow(&server));
    let mut unread = ask_without_reading(&channel, 700_000, "2S").await.unwrap();

    // The first bytes fill the client's window; the others wait in the server.
    let refusal = status_of(ask_without_reading(&second, 700_000, "2S").await).await;
    assert_eq!(summary(&refusal), "ResourceExhausted OVERLOADED");
    assert!(refusal.get_details_retry_info().is_some());
    let small_answer = status_of(ask_without_reading(&other, 100_000, "2S").await).await;
    assert_eq!(summary(&small_answer), "Ok ");

    // After the deadline the bytes are free, whether or not the client reads.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let again = status_of(ask_without_reading(&other, 700_000, "2S").await).await;
    assert_eq!(summary(&again), "Ok ");
    let end = async {
        while unread.body_mut().frame().await.unwrap()?.is_data() {}
        Ok::<(), Status>(())
    };
    assert!(end.await.is_err(), "the answer came to its end");
}

/// Over HTTP/1.1 a call has its connection for itself.
#[tokio::test]
async fn an_answer_that_is_not_read_over_http_1_ends_with_its_connection() {
    let server = RunningServer::start().await;
    let message =
        pb::GetProjectAccessRequest { project_id: "4000000".into(), known_revision: 0 }.encode_to_vec();
    let signature = signer().authorization(ACCESS_METHOD);
    let body = frame(0, u32::try_from(message.len()).unwrap(), &message);
    let head = format!(
        "POST {ACCESS_METHOD} HTTP/1.1\r\nhost: dafnck\r\ncontent-type: application/grpc-web\r\n\
         authorization: {signature}\r\ngrpc-timeout: 1S\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut connection = socket.connect(server.address().parse().unwrap()).await.unwrap();
    connection.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let mut answer = Vec::new();
    let end =
        tokio::time::timeout(Duration::from_secs(10), connection.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK") && answer.len() < 4_000_000, "{end:?} {}", answer.len());
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_arrives_whole() {
    let server = RunningServer::start().await;
    let answer = ask_without_reading(&narrow(&server), 4_000_000, "20S").await.unwrap();
    let (mut body, mut size) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        match frame.data_ref() {
            Some(data) => size += data.len(),
            None => {
                assert_eq!(Status::from_header_map(frame.trailers_ref().unwrap()).unwrap().code(), Code::Ok)
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!((4_000_000..4_000_100).contains(&size), "{size}");
}

#[tokio::test]
async fn unfinished_messages_count_and_one_address_cannot_take_all() {
    let server = RunningServer::start_with(small()).await;
    let attacker = server.channel_from("127.0.0.2");
    let (mut bodies, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let (sender, body) = by_hand();
        sender.send(frame(0, 60_000, b"ab").into()).unwrap();
        bodies.push(sender);
        let (channel, request) = (attacker.clone(), request(OPEN_STREAM).body(body).unwrap());
        streams.push(tokio::spawn(async move { status_of(send(channel, request).await).await }));
    }
    // A quarter of the budget is 262,144 bytes: four messages.
    let mut refused = Vec::new();
    while refused.len() < 6 {
        let at = async {
            loop {
                if let Some(at) = streams.iter().position(|stream| stream.is_finished()) {
                    return at;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let at = tokio::time::timeout(Duration::from_secs(10), at).await.unwrap();
        refused.push(summary(&streams.remove(at).await.unwrap()));
    }
    assert_eq!(refused, ["ResourceExhausted OVERLOADED"; 6]);
    assert_eq!(streams.len(), 4);
    let bystander = server.channel_from("127.0.0.3");
    let large = ServerReflectionRequest {
        host: "x".repeat(60_000),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let large = large.encode_to_vec();
    let large = frame(0, u32::try_from(large.len()).unwrap(), &large);
    assert_eq!(outcome(bystander, OPEN_STREAM, large).await, "Ok ");
}
