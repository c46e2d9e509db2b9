//! One-line calls of the RPCs of webhooks.

use proto::project::v1 as pb;
use testkit::*;
use tonic::Status;

use crate::webhook_receiver::TIMEOUT;

pub fn to(project: &pb::Project, url: &str) -> pb::Webhook {
    pb::Webhook { project_id: project.id.clone(), url: url.to_owned(), ..Default::default() }
}

pub async fn create(who: &Actor, webhook: pb::Webhook) -> Result<pb::CreateWebhookResponse, Status> {
    let request = pb::CreateWebhookRequest { webhook: Some(webhook), ..Default::default() };
    Ok(who.webhooks().create_webhook(request).await?.into_inner())
}

/// A webhook for all events of a project.
pub async fn hook(who: &Actor, project: &pb::Project, url: &str) -> pb::Webhook {
    create(who, to(project, url)).await.unwrap().webhook.unwrap()
}

pub async fn get(who: &Actor, id: &str) -> Result<pb::Webhook, Status> {
    let request = pb::GetWebhookRequest { webhook_id: id.to_owned() };
    Ok(who.webhooks().get_webhook(request).await?.into_inner())
}

pub async fn update(who: &Actor, webhook: pb::Webhook, paths: &[&str]) -> Result<pb::Webhook, Status> {
    let update_mask = crate::calls::mask(paths);
    let request = pb::UpdateWebhookRequest { webhook: Some(webhook), update_mask };
    Ok(who.webhooks().update_webhook(request).await?.into_inner())
}

pub async fn resume(who: &Actor, id: &str) -> Result<pb::Webhook, Status> {
    let request = pb::ResumeWebhookRequest { webhook_id: id.to_owned(), ..Default::default() };
    Ok(who.webhooks().resume_webhook(request).await?.into_inner())
}

pub async fn pause(who: &Actor, id: &str) -> Result<pb::Webhook, Status> {
    let request = pb::PauseWebhookRequest { webhook_id: id.to_owned(), ..Default::default() };
    Ok(who.webhooks().pause_webhook(request).await?.into_inner())
}

pub async fn rotate(who: &Actor, id: &str) -> pb::RotateWebhookSecretResponse {
    let request = pb::RotateWebhookSecretRequest { webhook_id: id.to_owned(), ..Default::default() };
    who.webhooks().rotate_webhook_secret(request).await.unwrap().into_inner()
}

pub async fn test(who: &Actor, id: &str) -> Result<pb::WebhookDelivery, Status> {
    let request = pb::SendTestEventRequest { webhook_id: id.to_owned(), ..Default::default() };
    Ok(who.webhooks().send_test_event(request).await?.into_inner())
}

pub async fn delivery(who: &Actor, id: &str) -> Result<pb::WebhookDelivery, Status> {
    let request = pb::GetWebhookDeliveryRequest { webhook_delivery_id: id.to_owned() };
    Ok(who.webhooks().get_webhook_delivery(request).await?.into_inner())
}

/// Newest first.
pub async fn deliveries(who: &Actor, id: &str) -> Vec<pb::WebhookDelivery> {
    let request =
        pb::ListWebhookDeliveriesRequest { webhook_id: id.to_owned(), page_size: 1000, ..Default::default() };
    who.webhooks().list_webhook_deliveries(request).await.unwrap().into_inner().deliveries
}

/// Waits until a delivery has been attempted and returns it.
pub async fn attempted(who: &Actor, id: &str) -> pb::WebhookDelivery {
    until("an attempt", TIMEOUT, async || delivery(who, id).await.unwrap().attempts > 0).await;
    delivery(who, id).await.unwrap()
}
