//! Several processes of the service, and restarts.

use std::collections::BTreeMap;

use crate::harness::harness_of_all;
use crate::webhook_calls::*;
use crate::webhook_receiver::*;
use testkit::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_project");

/// How often each message came.
fn counts(received: &[ReceivedRequest]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in received {
        *counts.entry(request.message_id().to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn two_replicas_send_each_event_once() {
    let suite = harness_of_all().start().await;
    let replica = ServiceProcess::start(&suite, PROGRAM, "project").await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let receiver = Receiver::start(status("200 OK")).await;
    let webhooks = [hook(&olga, &project, &receiver.url).await, hook(&olga, &project, &receiver.url).await];
    for n in 0..20 {
        olga.task(&project, &format!("task {n}")).await;
    }
    let received = receiver.until(40).await;
    assert_eq!(counts(&received).len(), 20);
    assert!(counts(&received).values().all(|count| *count == 2), "{:?}", counts(&received));
    for webhook in webhooks {
        assert_eq!(deliveries(&olga, &webhook.id).await.len(), 20);
    }
    replica.kill();
}

#[tokio::test]
async fn killed_processes_lose_and_repeat_no_event() {
    let suite = harness_of_all().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let receiver = Receiver::start(status("200 OK")).await;
    let webhook = hook(&olga, &project, &receiver.url).await;
    let mut replica = ServiceProcess::start(&suite, PROGRAM, "project").await;
    for round in 0..3 {
        let before = receiver.received().len();
        receiver.set(Answer::Silence);
        for n in 0..4 {
            olga.task(&project, &format!("task {round}.{n}")).await;
        }
        receiver.until(before + 1).await;
        receiver.set(status("200 OK"));
        replica.kill_and_restart(&suite).await;
    }
    until("all events", TIMEOUT, async || counts(&receiver.received()).len() >= 12).await;
    assert_eq!(deliveries(&olga, &webhook.id).await.len(), 12, "each is queued once");
    replica.kill();
}

#[tokio::test]
async fn what_waits_is_sent_after_a_restart() {
    let mut suite = harness_of_all().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let receiver = Receiver::start(status("500 Internal Server Error")).await;
    hook(&olga, &project, &receiver.url).await;
    for n in 0..3 {
        olga.task(&project, &format!("task {n}")).await;
    }
    receiver.until(1).await;
    suite.stop().await;
    receiver.set(status("200 OK"));
    suite.restart().await;
    olga.after_restart(&suite).task(&project, "after").await;
    until("all events", TIMEOUT, async || counts(&receiver.received()).len() >= 4).await;
}
