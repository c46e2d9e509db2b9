//! When a webhook is paused, who is told, and how it goes on.

use crate::fixtures::{Team, team};
use crate::webhook_calls::*;
use crate::webhook_receiver::*;
use proto::project::v1 as pb;
use proto::project::v1::WebhookPauseReason::{Failing, Gone, NotAuthorized, QueueFull, Requested};
use testkit::*;

async fn verify_address_of_olga(suite: &Suite) {
    suite.execute("UPDATE identity.users SET email_verified = TRUE WHERE username = 'olga'").await;
}

async fn until_paused(who: &Actor, id: &str) -> pb::Webhook {
    until("the webhook is paused", TIMEOUT, async || {
        get(who, id).await.unwrap().status() == pb::WebhookStatus::Paused
    })
    .await;
    get(who, id).await.unwrap()
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_for_three_days_is_paused_and_the_owner_told() {
    let Team { suite, olga, ada, project, .. } = team().await;
    verify_address_of_olga(&suite).await;
    let receiver = Receiver::start(status("500 Internal Server Error")).await;
    let webhook = hook(&ada, &project, &receiver.url).await;
    let sent = test(&ada, &webhook.id).await.unwrap();
    for attempts in 1..=15 {
        until(&format!("attempt {attempts}"), TIMEOUT, async || {
            delivery(&ada, &sent.id).await.unwrap().attempts >= attempts
        })
        .await;
        suite.options.clock.advance(chrono::TimeDelta::hours(14));
    }
    assert_eq!(until_paused(&olga, &webhook.id).await.pause_reason(), Failing);
    let mail = suite.mail_to("olga@example.org", 1).await;
    assert_eq!(mail.subject, "A webhook of apollo is paused");
    assert!(mail.text.contains("took nothing for three days") && mail.text.contains(&webhook.id));
    assert!(!mail.text.contains("/hook"), "the rest of the address may hold a key");

    receiver.set(status("200 OK"));
    let resumed = resume(&olga, &webhook.id).await.unwrap();
    assert_eq!((resumed.status(), &resumed.maintainer_id), (pb::WebhookStatus::Active, &olga.id.to_string()));
    test(&olga, &webhook.id).await.unwrap();
    receiver.until(16).await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_paused_at_once() {
    let Team { suite, olga, project, .. } = team().await;
    verify_address_of_olga(&suite).await;
    let receiver = Receiver::start(status("410 Gone")).await;
    let webhook = hook(&olga, &project, &receiver.url).await;
    let sent = test(&olga, &webhook.id).await.unwrap();
    assert_eq!(until_paused(&olga, &webhook.id).await.pause_reason(), Gone);
    assert_eq!(delivery(&olga, &sent.id).await.unwrap().status(), pb::WebhookDeliveryStatus::Failed);
    suite.mail_to("olga@example.org", 1).await;
    assert_eq!(summary(&test(&olga, &webhook.id).await.unwrap_err()), "FAILED_PRECONDITION WEBHOOK_PAUSED");
}

#[tokio::test]
async fn a_webhook_of_a_removed_member_sends_no_more() {
    let Team { suite, olga, ada, project, .. } = team().await;
    verify_address_of_olga(&suite).await;
    let receiver = Receiver::start(status("200 OK")).await;
    let webhook = hook(&ada, &project, &receiver.url).await;
    let remove = pb::RemoveMemberRequest {
        project_id: project.id.clone(),
        user_id: ada.id.to_string(),
        ..Default::default()
    };
    olga.members().remove_member(remove).await.unwrap();
    assert_eq!(until_paused(&olga, &webhook.id).await.pause_reason(), NotAuthorized);
    assert!(receiver.received().is_empty());
    suite.mail_to("olga@example.org", 1).await;
}

#[tokio::test]
async fn a_webhook_sends_only_what_its_maintainer_may_read() {
    let Team { suite: _suite, olga, ada, max, project, .. } = team().await;
    let receiver = Receiver::start(status("200 OK")).await;
    hook(&ada, &project, &receiver.url).await;
    let deny = pb::UpdateMemberRequest {
        member: Some(pb::Member {
            project_id: project.id.clone(),
            user_id: ada.id.to_string(),
            denied_permissions: vec![proto::common::Permission::MemberRead.into()],
            ..Default::default()
        }),
        update_mask: crate::calls::mask(&["denied_permissions"]),
    };
    olga.members().update_member(deny).await.unwrap();
    let promote = pb::UpdateMemberRequest {
        member: Some(pb::Member {
            project_id: project.id.clone(),
            user_id: max.id.to_string(),
            role: pb::ProjectRole::Viewer.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    olga.members().update_member(promote).await.unwrap();
    let renamed = pb::Project { name: "gemini".to_owned(), etag: String::new(), ..project };
    crate::calls::update(&olga, renamed, &["name"]).await.unwrap();
    let received = receiver.until(1).await;
    assert_eq!(received[0].event_type(), "project.updated");
}

#[tokio::test]
async fn what_waits_is_not_sent_on_behalf_of_one_who_may_not_read_it() {
    let Team { suite: _suite, olga, ada, project, .. } = team().await;
    let receiver = Receiver::start(status("503 Service Unavailable")).await;
    let webhook = hook(&olga, &project, &receiver.url).await;
    let renamed = pb::Project { name: "gemini".to_owned(), etag: String::new(), ..project.clone() };
    crate::calls::update(&olga, renamed, &["name"]).await.unwrap();
    crate::calls::invite(&olga, crate::calls::inviting(&project, "gus@example.org", 0)).await.unwrap();
    until("both are queued", TIMEOUT, async || deliveries(&olga, &webhook.id).await.len() == 2).await;
    let deny = pb::UpdateMemberRequest {
        member: Some(pb::Member {
            project_id: project.id.clone(),
            user_id: ada.id.to_string(),
            denied_permissions: vec![proto::common::Permission::MemberManage.into()],
            ..Default::default()
        }),
        update_mask: crate::calls::mask(&["denied_permissions"]),
    };
    olga.members().update_member(deny).await.unwrap();
    let elsewhere = Receiver::start(status("200 OK")).await;
    let moved = pb::Webhook { url: elsewhere.url.clone(), etag: String::new(), ..webhook.clone() };
    update(&ada, moved, &["url"]).await.unwrap();
    pause(&ada, &webhook.id).await.unwrap();
    resume(&ada, &webhook.id).await.unwrap();
    let of_invitation = async || {
        let all = deliveries(&olga, &webhook.id).await;
        all.into_iter().find(|one| one.event_type == "invitation.created").unwrap()
    };
    until("it is given up", TIMEOUT, async || {
        of_invitation().await.status() == pb::WebhookDeliveryStatus::Failed
    })
    .await;
    let invitation = of_invitation().await.id;
    assert_eq!(delivery(&ada, &invitation).await.unwrap().payload, "");
    assert!(delivery(&olga, &invitation).await.unwrap().payload.contains("gus@example.org"));
    let types: Vec<String> =
        elsewhere.until(1).await.iter().map(|request| request.event_type().to_owned()).collect();
    assert!(!types.iter().any(|event_type| event_type.starts_with("invitation")), "{types:?}");
}

#[tokio::test]
async fn a_paused_webhook_queues_nothing_and_a_full_one_is_paused() {
    let Team { suite, olga, project, .. } = team().await;
    let receiver = Receiver::start(status("200 OK")).await;
    let webhook = hook(&olga, &project, &receiver.url).await;
    assert_eq!(pause(&olga, &webhook.id).await.unwrap().pause_reason(), Requested);
    let rename = async |name: &str| {
        let renamed = pb::Project { name: name.to_owned(), etag: String::new(), ..project.clone() };
        crate::calls::update(&olga, renamed, &["name"]).await.unwrap();
    };
    rename("unseen").await;
    let seen = hook(&olga, &project, &receiver.url).await;
    rename("seen").await;
    receiver.until(1).await;
    assert!(deliveries(&olga, &webhook.id).await.is_empty());

    pause(&olga, &seen.id).await.unwrap();
    let fill = format!(
        "WITH m AS (INSERT INTO project.webhook_messages (id, project_id, event_type, resource_id, payload, created_at) \
         VALUES (gen_random_uuid(), '{}', 'task.created', gen_random_uuid(), '{{}}', now()) RETURNING id) \
         INSERT INTO project.webhook_deliveries (id, webhook_id, message_id, order_key, next_attempt_at, created_at) \
         SELECT gen_random_uuid(), '{}', m.id, gen_random_uuid(), 'infinity', now() FROM m, generate_series(1, 10000)",
        project.id, webhook.id
    );
    suite.execute(&fill).await;
    let activate = format!(
        "UPDATE project.webhooks SET status = 'active', pause_reason = NULL WHERE id = '{id}'; \
         UPDATE project.webhook_deliveries SET next_attempt_at = now() + interval '1 year' WHERE webhook_id = '{id}'",
        id = webhook.id
    );
    suite.execute(&activate).await;
    assert_eq!(summary(&test(&olga, &webhook.id).await.unwrap_err()), "RESOURCE_EXHAUSTED OVERLOADED");
    rename("too much").await;
    assert_eq!(until_paused(&olga, &webhook.id).await.pause_reason(), QueueFull);
}
