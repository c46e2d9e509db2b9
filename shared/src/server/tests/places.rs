//! Concurrent calls and streams: nobody can take all of them.

use super::raw::{EMPTY_MESSAGE, OPEN_METHOD, OPEN_STREAM, by_hand, outcome, request, send, status_of};
use super::*;

/// Room for 8 calls and 8 streams: 2 per address, 1 per user, 1 for services alone.
fn small() -> LimitOptions {
    LimitOptions { max_concurrent_requests: 8, ..LimitOptions::default() }
}

/// Begins a call whose body does not end; returns what keeps it open, and its outcome.
async fn begin(
    channel: &Channel,
    path: &str,
    head: &[(&str, String)],
) -> (tokio::sync::mpsc::UnboundedSender<bytes::Bytes>, tokio::task::JoinHandle<Status>) {
    let (sender, body) = by_hand();
    let mut builder = request(path);
    for (name, value) in head {
        builder = builder.header(*name, value);
    }
    let (channel, request) = (channel.clone(), builder.body(body).unwrap());
    sender.send(bytes::Bytes::from_static(b"\0\0\0")).unwrap();
    (sender, tokio::spawn(async move { status_of(send(channel, request).await).await }))
}

/// Waits until as many of the calls are refused.
async fn refused(calls: &[tokio::task::JoinHandle<Status>], count: usize) {
    for _ in 0..200 {
        if calls.iter().filter(|call| call.is_finished()).count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{} of {} are refused", calls.iter().filter(|call| call.is_finished()).count(), calls.len());
}

#[tokio::test]
async fn slow_bodies_of_one_address_do_not_use_up_the_calls_of_others() {
    let server = RunningServer::start_with(LimitOptions { request_body_seconds: 2, ..small() }).await;
    let attacker = server.channel_from("127.0.0.2");
    let (mut bodies, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let (body, call) = begin(&attacker, OPEN_METHOD, &[("grpc-timeout", "30S".to_owned())]).await;
        bodies.push(body);
        calls.push(call);
    }
    refused(&calls, 28).await;

    let bystander = server.channel_from("127.0.0.3");
    assert_eq!(outcome(bystander, OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await, "Ok ");
    assert!(server.ask("hello").await.is_ok());

    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(summary(&tokio::time::timeout(Duration::from_secs(10), call).await.unwrap().unwrap()));
    }
    outcomes.sort();
    assert_eq!(outcomes[..2], ["DeadlineExceeded DEADLINE_EXCEEDED"; 2]);
    assert!(outcomes[2..].iter().all(|outcome| outcome == "ResourceExhausted OVERLOADED"), "{outcomes:?}");
}

#[tokio::test]
async fn a_body_that_comes_in_drips_ends_with_the_time_for_it() {
    let server = RunningServer::start_with(LimitOptions { request_body_seconds: 1, ..small() }).await;
    let (body, call) =
        begin(&server.channel().await, OPEN_METHOD, &[("grpc-timeout", "30S".to_owned())]).await;
    let drips = tokio::spawn(async move {
        // More would be too long a message.
        while body.send(bytes::Bytes::from_static(b"\0")).is_ok() {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    });
    let status = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap().unwrap();
    assert_eq!(summary(&status), "DeadlineExceeded DEADLINE_EXCEEDED");
    drips.abort();
}

#[tokio::test]
async fn a_user_has_one_share_at_all_addresses() {
    let server = RunningServer::start_with(small()).await;
    let head = [("authorization", format!("Bearer {}", token(KNOWN_TOKEN)))];
    let [one, other] = ["127.0.0.2", "127.0.0.3"].map(|address| server.channel_from(address));
    let (_body, held) = begin(&one, OPEN_METHOD, &head).await;
    while server.lookups.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (_body, refused) = begin(&other, OPEN_METHOD, &head).await;
    let refusal = refused.await.unwrap();
    assert_eq!(summary(&refusal), "ResourceExhausted OVERLOADED");
    assert!(refusal.message().contains("your calls"), "{refusal:?}");
    assert!(!held.is_finished());
    assert_eq!(outcome(other, OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await, "Ok ");
}

#[tokio::test]
async fn streams_of_strangers_never_stop_those_of_services() {
    let server = RunningServer::start_with(small()).await;
    let (mut bodies, mut streams) = (Vec::new(), Vec::new());
    for address in 2..8 {
        let channel = server.channel_from(&format!("127.0.0.{address}"));
        for _ in 0..3 {
            let (body, stream) = begin(&channel, OPEN_STREAM, &[]).await;
            bodies.push(body);
            streams.push(stream);
        }
    }
    // Of 18, each address may have 2, and all of them 7.
    refused(&streams, 11).await;
    assert_eq!(streams.iter().filter(|stream| !stream.is_finished()).count(), 7);

    let mut client = AccessServiceClient::new(server.siblings().channel(Sibling::Project));
    let mut feed = client.watch_project_access(pb::WatchProjectAccessRequest::default()).await.unwrap();
    assert!(feed.get_mut().message().now_or_never().is_none(), "the feed has ended");
    assert_ne!(server.health().await, 0, "the server does not say whether it is well");
}

#[tokio::test]
async fn a_stream_whose_client_sends_next_to_nothing_ends() {
    let server = RunningServer::start_with(LimitOptions { stall_seconds: 1, ..small() }).await;
    let (_body, silent) = begin(&server.channel().await, OPEN_STREAM, &[]).await;
    let (body, slow) = begin(&server.channel().await, OPEN_STREAM, &[]).await;
    let drips = tokio::spawn(async move {
        body.send(bytes::Bytes::from_static(&[0xff, 0])).unwrap();
        while body.send(bytes::Bytes::from_static(b"\0")).is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    for stream in [silent, slow] {
        let status = tokio::time::timeout(Duration::from_secs(10), stream).await.unwrap().unwrap();
        assert_eq!(summary(&status), "DeadlineExceeded DEADLINE_EXCEEDED");
    }
    drips.abort();
}
