//! Endpoints that are slow, dead, or up to something.

use std::time::{Duration, Instant};

use crate::fixtures::team;
use crate::webhook_calls::*;
use crate::webhook_receiver::*;
use proto::project::v1::WebhookDeliveryStatus::{Delivered, Pending};

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let team = team().await;
    let inside = Receiver::start(status("200 OK")).await;
    let redirecting = status(&format!("302 Found\r\nlocation: {}", inside.url));
    let receiver = Receiver::start(redirecting).await;
    let webhook = hook(&team.olga, &team.project, &receiver.url).await;
    let sent = test(&team.olga, &webhook.id).await.unwrap();
    let failed = attempted(&team.olga, &sent.id).await;
    assert_eq!((failed.status(), failed.response_status), (Pending, 302));
    assert!(inside.received().is_empty());
}

#[tokio::test]
async fn a_dead_endpoint_delays_no_other() {
    let team = team().await;
    let (slow, quick) = (Receiver::start(Answer::Silence).await, Receiver::start(status("200 OK")).await);
    let dead = hook(&team.olga, &team.project, &slow.url).await;
    let closed = hook(&team.olga, &team.project, "http://127.0.0.1:1/").await;
    let alive = hook(&team.olga, &team.project, &quick.url).await;
    let waiting = test(&team.olga, &dead.id).await.unwrap();
    let refused = test(&team.olga, &closed.id).await.unwrap();
    slow.until(1).await;
    let start = Instant::now();
    for count in 1..=5 {
        test(&team.olga, &alive.id).await.unwrap();
        quick.until(count).await;
    }
    assert_eq!(delivery(&team.olga, &waiting.id).await.unwrap().attempts, 0, "after {:?}", start.elapsed());
    let failed = attempted(&team.olga, &waiting.id).await;
    assert_eq!((failed.response_status, failed.failure.as_str()), (0, "no answer within 10 seconds"));
    assert!(failed.attempt_duration.unwrap().seconds >= 9);
    let failed = attempted(&team.olga, &refused.id).await;
    assert!(failed.failure.contains("refused"), "{}", failed.failure);
}

#[tokio::test]
async fn an_answer_that_lies_about_its_length_counts_by_its_status() {
    let team = team().await;
    for lie in [
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nlonger than that",
    ] {
        let receiver = Receiver::start(Answer::Bytes(lie.as_bytes().to_vec())).await;
        let webhook = hook(&team.olga, &team.project, &receiver.url).await;
        let sent = test(&team.olga, &webhook.id).await.unwrap();
        assert_eq!(attempted(&team.olga, &sent.id).await.status(), Delivered, "{lie}");
    }
    let receiver = Receiver::start(Answer::Bytes(b"nonsense\r\n\r\n".to_vec())).await;
    let webhook = hook(&team.olga, &team.project, &receiver.url).await;
    let sent = test(&team.olga, &webhook.id).await.unwrap();
    assert_eq!(attempted(&team.olga, &sent.id).await.status(), Pending);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let team = team().await;
    let receiver = Receiver::start(Answer::Endless).await;
    let webhook = hook(&team.olga, &team.project, &receiver.url).await;
    for count in 1..=3 {
        let sent = test(&team.olga, &webhook.id).await.unwrap();
        let sent = attempted(&team.olga, &sent.id).await;
        assert_eq!(sent.status(), Delivered, "{count}");
        let took = sent.attempt_duration.unwrap();
        assert!(Duration::new(took.seconds as u64, took.nanos as u32) < Duration::from_secs(10));
    }
}
