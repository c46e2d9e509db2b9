//! What is sent, how it is signed, and in which order.

use crate::calls::{invite, inviting};
use crate::fixtures::team;
use crate::harness::harness_of_all;
use crate::webhook_calls::*;
use crate::webhook_receiver::*;
use proto::common::ResourceType;
use proto::project::backend::v1::EraseInviteeRequest;
use proto::project::v1::WebhookDeliveryStatus::{Delivered, Failed, Pending};
use proto::project::v1::{self as pb, ProjectRole};
use proto::task::v1 as task;
use testkit::*;

async fn rename(who: &Actor, id: &str, title: &str) {
    let renamed = task::Task { id: id.to_owned(), title: title.to_owned(), ..Default::default() };
    let request = task::UpdateTaskRequest { task: Some(renamed), ..Default::default() };
    who.tasks().update_task(request).await.unwrap();
}

#[tokio::test]
async fn events_of_all_services_arrive_in_proto_json() {
    let suite = harness_of_all().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = olga.project("apollo").await;
    let other = olga.project("other").await;
    let receiver = Receiver::start(status("204 No Content")).await;
    hook(&olga, &project, &receiver.url).await;

    olga.add(&project, &gus, ProjectRole::Viewer).await;
    olga.task(&other, "elsewhere").await;
    let bought = olga.task(&project, "buy milk").await;
    let document = olga.document(&project, "plan", "text").await;

    let received = receiver.until(3).await;
    let mut types: Vec<&str> = received.iter().map(ReceivedRequest::event_type).collect();
    types.sort_unstable();
    assert_eq!(types, ["document.created", "member.created", "task.created"]);
    let created = received.iter().find(|request| request.event_type() == "task.created").unwrap();
    let change = &created.body["data"]["change"];
    assert_eq!((&change["resourceId"], &change["actorId"]), (&bought.id.into(), &olga.id.to_string().into()));
    assert_eq!(created.body["data"]["task"]["after"]["key"], bought.key);
    let written = received.iter().find(|request| request.event_type() == "document.created").unwrap();
    assert_eq!(written.body["data"]["change"]["resourceId"], document.id);
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names() {
    let suite = harness_of_all().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let receiver = Receiver::start(status("200 OK")).await;
    let filter =
        pb::WebhookFilter { resource_types: vec![ResourceType::Document.into()], ..Default::default() };
    create(&olga, pb::Webhook { filter: Some(filter), ..to(&project, &receiver.url) }).await.unwrap();
    let everything = hook(&olga, &project, &receiver.url).await;
    olga.task(&project, "buy milk").await;
    olga.document(&project, "plan", "text").await;
    let types: Vec<String> =
        receiver.until(3).await.iter().map(|request| request.event_type().to_owned()).collect();
    assert_eq!(types.iter().filter(|event_type| *event_type == "document.created").count(), 2, "{types:?}");
    assert_eq!(deliveries(&olga, &everything.id).await.len(), 2);
}

#[tokio::test]
async fn a_receiver_written_with_the_public_library_verifies_requests() {
    let team = team().await;
    let receiver = LibraryReceiver::start().await;
    let created = create(&team.olga, to(&team.project, &receiver.url)).await.unwrap();
    let (id, first) = (created.webhook.unwrap().id, created.secret);
    let outcome = async |secret: &str| {
        receiver.trust(secret);
        let sent = test(&team.olga, &id).await.unwrap();
        let sent = attempted(&team.olga, &sent.id).await;
        (sent.status(), sent.response_status)
    };
    assert_eq!(outcome(&first).await, (Delivered, 204));
    let second = rotate(&team.olga, &id).await.secret;
    assert_eq!(outcome(&first).await, (Delivered, 204), "both secrets sign for a while");
    assert_eq!(outcome(&second).await, (Delivered, 204));
    assert_eq!(outcome("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").await, (Pending, 400));
    let request = pb::RotateWebhookSecretRequest {
        webhook_id: id.clone(),
        overlap: Some(prost_types::Duration::default()),
        ..Default::default()
    };
    let third = team.olga.webhooks().rotate_webhook_secret(request).await.unwrap().into_inner().secret;
    assert_eq!(outcome(&second).await, (Pending, 400), "without an overlap, one secret signs");
    assert_eq!(outcome(&third).await, (Delivered, 204));
}

#[tokio::test]
async fn the_events_of_one_resource_arrive_in_order_and_hold_up_no_other() {
    let suite = harness_of_all().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let [first, second] = [olga.task(&project, "first").await, olga.task(&project, "second").await];
    let receiver = Receiver::start(Answer::FailIf("stuck")).await;
    let webhook = hook(&olga, &project, &receiver.url).await;
    rename(&olga, &first.id, "stuck").await;
    rename(&olga, &first.id, "free").await;
    rename(&olga, &second.id, "done").await;
    let titles = async || -> Vec<String> {
        receiver.received().iter().map(|request| request.title().to_owned()).collect()
    };
    until("the other task", TIMEOUT, async || titles().await.contains(&"done".to_owned())).await;
    assert!(!titles().await.contains(&"free".to_owned()), "it waits for the one before");
    receiver.set(status("200 OK"));
    suite.options.clock.advance(chrono::TimeDelta::hours(1));
    until("what waited", TIMEOUT, async || titles().await.contains(&"free".to_owned())).await;
    let titles = titles().await;
    let position = |title: &str| titles.iter().rposition(|one| one == title).unwrap();
    assert!(position("stuck") < position("free"), "{titles:?}");
    until("all are delivered", TIMEOUT, async || {
        let all = deliveries(&olga, &webhook.id).await;
        all.len() == 3 && all.iter().all(|one| one.status() == Delivered)
    })
    .await;
}

#[tokio::test]
async fn a_delivery_is_repeated_under_the_same_message_id() {
    let team = team().await;
    let receiver = Receiver::start(status("200 OK")).await;
    let webhook = hook(&team.olga, &team.project, &receiver.url).await;
    let sent = test(&team.olga, &webhook.id).await.unwrap();
    let delivered = attempted(&team.olga, &sent.id).await;
    assert_eq!((delivered.status(), delivered.event_type.as_str()), (Delivered, "webhook.test"));
    assert!(delivered.payload.contains(&webhook.id), "{}", delivered.payload);
    let request = pb::RedeliverWebhookRequest { request_id: new_id(), webhook_delivery_id: sent.id.clone() };
    let again = team.olga.webhooks().redeliver_webhook(request.clone()).await.unwrap().into_inner();
    let retry = team.olga.webhooks().redeliver_webhook(request).await.unwrap().into_inner();
    assert_eq!((&again.id, &again.message_id), (&retry.id, &sent.message_id));
    let received = receiver.until(2).await;
    assert_eq!(received[0].message_id(), received[1].message_id());
    assert_ne!(again.id, sent.id);
}

#[tokio::test]
async fn a_delivery_is_given_up_after_three_days() {
    let team = team().await;
    let receiver = Receiver::start(status("503 Service Unavailable")).await;
    let webhook = hook(&team.olga, &team.project, &receiver.url).await;
    let sent = test(&team.olga, &webhook.id).await.unwrap();
    for attempts in 1..=15 {
        until(&format!("attempt {attempts}"), TIMEOUT, async || {
            delivery(&team.olga, &sent.id).await.unwrap().attempts >= attempts
        })
        .await;
        team.suite.options.clock.advance(chrono::TimeDelta::hours(14));
    }
    let given_up = delivery(&team.olga, &sent.id).await.unwrap();
    assert_eq!((given_up.status(), given_up.attempts, given_up.response_status), (Failed, 15, 503));
    assert_eq!(receiver.received().len(), 15);
}

#[tokio::test]
async fn erasing_an_invited_user_deletes_the_bodies_with_their_address() {
    let team = team().await;
    let receiver = Receiver::start(status("200 OK")).await;
    hook(&team.olga, &team.project, &receiver.url).await;
    invite(&team.olga, inviting(&team.project, "gus@example.org", 0)).await.unwrap();
    receiver.until(1).await;
    let with_address = "project.webhook_messages WHERE payload LIKE '%gus@example.org%'";
    assert_eq!(team.suite.count(with_address).await, 1);
    let erase = EraseInviteeRequest { user_id: team.gus.id.to_string(), email: "gus@example.org".to_owned() };
    team.suite.as_service("identity").project_invitations().erase_invitee(erase).await.unwrap();
    let received = receiver.until(2).await;
    assert_eq!(received[1].event_type(), "invitation.updated");
    assert_eq!(team.suite.count(with_address).await, 0);
}
