//! Managing webhooks.

use crate::calls::mask;
use crate::fixtures::{Team, team};
use crate::webhook_calls::*;
use proto::common::{ChangeKind, ResourceType};
use proto::project::v1 as pb;
use testkit::*;

const URL: &str = "https://hooks.example.org/in?key=1";
const GONE: &str = "NOT_FOUND RESOURCE_NOT_FOUND";
const DENIED: &str = "PERMISSION_DENIED PERMISSION_MISSING";

#[tokio::test]
async fn an_admin_creates_reads_changes_and_deletes_a_webhook() {
    let Team { suite: _suite, ada, project, .. } = team().await;
    let filter = pb::WebhookFilter {
        kinds: vec![ChangeKind::Created.into()],
        resource_types: vec![ResourceType::Task.into()],
    };
    let wanted = pb::Webhook { filter: Some(filter), ..to(&project, URL) };
    let created = create(&ada, wanted).await.unwrap();
    let webhook = created.webhook.unwrap();
    assert!(created.secret.starts_with("whsec_"));
    assert_eq!((webhook.status(), &webhook.maintainer_id), (pb::WebhookStatus::Active, &ada.id.to_string()));
    assert_eq!(get(&ada, &webhook.id).await.unwrap(), webhook);

    let described = pb::Webhook { description: Some("chat".to_owned()), ..webhook.clone() };
    let changed = update(&ada, described, &["description", "filter"]).await.unwrap();
    assert_eq!((changed.description(), &changed.filter), ("chat", &webhook.filter));
    let stale = update(&ada, webhook.clone(), &["url"]).await.unwrap_err();
    assert_eq!(summary(&stale), "ABORTED ETAG_MISMATCH");

    let listed = pb::ListWebhooksRequest { project_id: project.id.clone(), ..Default::default() };
    let listed = ada.webhooks().list_webhooks(listed).await.unwrap().into_inner();
    assert_eq!(listed.webhooks, std::slice::from_ref(&changed));
    let delete = pb::DeleteWebhookRequest { webhook_id: webhook.id.clone(), etag: changed.etag };
    ada.webhooks().delete_webhook(delete).await.unwrap();
    assert_eq!(summary(&get(&ada, &webhook.id).await.unwrap_err()), GONE);
}

#[tokio::test]
async fn only_managers_of_webhooks_see_them() {
    let Team { suite, olga, max, vera, gus, project, .. } = team().await;
    let webhook = hook(&olga, &project, URL).await;
    for member in [&max, &vera] {
        assert_eq!(summary(&get(member, &webhook.id).await.unwrap_err()), DENIED);
        assert_eq!(summary(&create(member, to(&project, URL)).await.unwrap_err()), DENIED);
        assert_eq!(summary(&test(member, &webhook.id).await.unwrap_err()), DENIED);
    }
    assert_eq!(summary(&get(&gus, &webhook.id).await.unwrap_err()), GONE);
    assert_eq!(summary(&create(&gus, to(&project, URL)).await.unwrap_err()), GONE);
    let refusal = get(&suite.anonymous(), &webhook.id).await.unwrap_err();
    assert_eq!(summary(&refusal), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn a_retried_creation_returns_the_same_webhook_and_secret() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    let request = pb::CreateWebhookRequest { request_id: new_id(), webhook: Some(to(&project, URL)) };
    let first = olga.webhooks().create_webhook(request.clone()).await.unwrap().into_inner();
    let retry = olga.webhooks().create_webhook(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, retry);
    let other = pb::CreateWebhookRequest { webhook: Some(to(&project, "https://other.example")), ..request };
    let refusal = olga.webhooks().create_webhook(other).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_retried_rotation_makes_one_secret() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    let created = create(&olga, to(&project, URL)).await.unwrap();
    let webhook_id = created.webhook.unwrap().id;
    let request = pb::RotateWebhookSecretRequest { request_id: new_id(), webhook_id, ..Default::default() };
    let first = olga.webhooks().rotate_webhook_secret(request.clone()).await.unwrap().into_inner();
    let retry = olga.webhooks().rotate_webhook_secret(request).await.unwrap().into_inner();
    assert_eq!(first, retry);
    assert_ne!(first.secret, created.secret);
    assert!(first.webhook.unwrap().former_secret_expires_at.is_some());
}

#[tokio::test]
async fn a_project_has_a_limited_number_of_webhooks() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    for _ in 0..20 {
        hook(&olga, &project, URL).await;
    }
    let refusal = create(&olga, to(&project, URL)).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TOO_MANY_WEBHOOKS");
}

#[tokio::test]
async fn malformed_addresses_are_refused() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    for url in ["", "ftp://example.org/", "https://user@example.org/", "https://example.org/#top", "https://"]
    {
        let refusal = create(&olga, to(&project, url)).await.unwrap_err();
        assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS", "{url}");
    }
    let webhook = hook(&olga, &project, URL).await;
    let cleared = pb::UpdateWebhookRequest {
        webhook: Some(pb::Webhook { url: String::new(), ..webhook }),
        update_mask: mask(&["url"]),
    };
    let refusal = olga.webhooks().update_webhook(cleared).await.unwrap_err();
    assert_eq!(summary(&refusal), "INVALID_ARGUMENT INVALID_FIELDS");
}

#[tokio::test]
async fn deleting_a_project_deletes_its_webhooks() {
    let Team { suite, olga, project, .. } = team().await;
    let webhook = hook(&olga, &project, URL).await;
    pause(&olga, &webhook.id).await.unwrap();
    let delete = pb::DeleteProjectRequest { project_id: project.id.clone(), ..Default::default() };
    olga.projects().delete_project(delete).await.unwrap();
    assert_eq!(suite.count("project.webhooks").await, 0);
    assert_eq!(suite.count("project.webhook_states").await, 0);
}
