//! The RPCs of webhooks. All need `WEBHOOK_MANAGE`.

use futures::try_join;
use proto::project::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::Result;
use shared::page::AfterTime;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{
    CreateWebhookInput, ListInput, QueueDeliveryInput, RotateSecretInput, UpdateWebhookInput, read_id,
};
use super::{
    Delivery, NewMessage, TEST_EVENT, Webhook, WebhookChange, check_count, deliveries, payload,
    permission_to_read, queries,
};
use crate::handler::ProjectHandler;
use crate::projects::queries as projects;
use crate::schema::{NAME, PauseReason, WebhookStatus};

/// Locks a webhook that the user manages.
async fn lock(tx: &Transaction, id: Uuid, user_id: Uuid) -> Result<(ProjectAccess, Webhook)> {
    let (access, webhook) = try_join!(queries::access(tx, id, user_id), queries::lock(tx, id))?;
    access.require(Permission::WebhookManage)?;
    Ok((access, webhook.ok_or_else(|| queries::not_found(id))?))
}

impl ProjectHandler {
    pub(crate) async fn create_webhook(
        &self,
        request: Request<pb::CreateWebhookRequest>,
    ) -> Result<Response<pb::CreateWebhookResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let CreateWebhookInput { key, webhook } =
            CreateWebhookInput::of(request.into_inner(), user_id, self.webhook_options)?;
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, _project, count, access) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "CreateWebhook", key.as_ref(), webhook.id),
            projects::lock(&tx, webhook.project_id),
            queries::count(&tx, webhook.project_id),
            projects::access(&tx, webhook.project_id, user_id),
        )?;
        access.require(Permission::WebhookManage)?;
        let webhook = match earlier {
            Some(id) => {
                let webhook = queries::find(&tx, id).await?;
                tx.finish();
                webhook.ok_or_else(|| queries::not_found(id))?
            }
            None => {
                check_count(count)?;
                queries::insert(tx, &access, &webhook).await?
            }
        };
        let secret = self.webhook_secrets.of(webhook.id, webhook.generation);
        Ok(Response::new(pb::CreateWebhookResponse { webhook: Some(webhook.into()), secret }))
    }

    pub(crate) async fn get_webhook(
        &self,
        request: Request<pb::GetWebhookRequest>,
    ) -> Result<Response<pb::Webhook>, Status> {
        let caller = Caller::of(&request)?;
        let id = read_id("webhook_id", &request.get_ref().webhook_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, webhook) =
            try_join!(queries::access(&tx, id, caller.database_user()), queries::find(&tx, id))?;
        tx.finish();
        access.require(Permission::WebhookManage)?;
        let webhook = webhook.ok_or_else(|| queries::not_found(id))?;
        Ok(Response::new(webhook.into()))
    }

    pub(crate) async fn list_webhooks(
        &self,
        request: Request<pb::ListWebhooksRequest>,
    ) -> Result<Response<pb::ListWebhooksResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListInput { id: project_id, page_size, page_token, .. } = request.into_inner().try_into()?;
        let query = format!("webhooks of {project_id} that {user_id} sees");
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, mut webhooks) =
            try_join!(projects::access(&tx, project_id, user_id), queries::list(&tx, project_id, &page))?;
        tx.finish();
        access.require(Permission::WebhookManage)?;
        let position = |last: &Webhook| AfterTime { at: last.created_at, id: last.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut webhooks, position)?;
        let webhooks = webhooks.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListWebhooksResponse { webhooks, next_page_token }))
    }

    pub(crate) async fn update_webhook(
        &self,
        request: Request<pb::UpdateWebhookRequest>,
    ) -> Result<Response<pb::Webhook>, Status> {
        let caller = Caller::of(&request)?;
        let UpdateWebhookInput { id, etag, change } =
            UpdateWebhookInput::of(request.into_inner(), self.webhook_options)?;
        let user_id = caller.user()?.user_id;
        let tx = self.context.database.begin(&caller).await?;
        let (access, webhook) = lock(&tx, id, user_id).await?;
        etag::check(&etag, webhook.version)?;
        let Some(change) = change else {
            tx.finish();
            return Ok(Response::new(webhook.into()));
        };
        let change = WebhookChange { maintainer_id: Some(user_id), ..change };
        let webhook = queries::update(tx, &access, id, &change).await?;
        Ok(Response::new(webhook.into()))
    }

    pub(crate) async fn delete_webhook(
        &self,
        request: Request<pb::DeleteWebhookRequest>,
    ) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = read_id("webhook_id", &request.get_ref().webhook_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, webhook) = lock(&tx, id, caller.user()?.user_id).await?;
        etag::check(&request.get_ref().etag, webhook.version)?;
        queries::delete(tx, &access, id).await?;
        Ok(Response::new(pb::DeleteWebhookResponse {}))
    }

    pub(crate) async fn pause_webhook(
        &self,
        request: Request<pb::PauseWebhookRequest>,
    ) -> Result<Response<pb::Webhook>, Status> {
        let caller = Caller::of(&request)?;
        let pb::PauseWebhookRequest { webhook_id, etag } = request.into_inner();
        let change = WebhookChange {
            status: Some(WebhookStatus::Paused),
            pause_reason: Some(Some(PauseReason::Requested)),
            ..WebhookChange::default()
        };
        self.change_status(&caller, &webhook_id, &etag, change).await
    }

    pub(crate) async fn resume_webhook(
        &self,
        request: Request<pb::ResumeWebhookRequest>,
    ) -> Result<Response<pb::Webhook>, Status> {
        let caller = Caller::of(&request)?;
        let pb::ResumeWebhookRequest { webhook_id, etag } = request.into_inner();
        let change = WebhookChange {
            status: Some(WebhookStatus::Active),
            pause_reason: Some(None),
            maintainer_id: Some(caller.user()?.user_id),
            ..WebhookChange::default()
        };
        let resumed = self.change_status(&caller, &webhook_id, &etag, change).await?;
        self.webhooks.wake();
        Ok(resumed)
    }

    async fn change_status(
        &self,
        caller: &Caller,
        webhook_id: &str,
        etag: &str,
        change: WebhookChange,
    ) -> Result<Response<pb::Webhook>, Status> {
        let id = read_id("webhook_id", webhook_id)?;
        let tx = self.context.database.begin(caller).await?;
        let (access, webhook) = lock(&tx, id, caller.user()?.user_id).await?;
        if Some(webhook.status) == change.status {
            tx.finish();
            return Ok(Response::new(webhook.into()));
        }
        etag::check(etag, webhook.version)?;
        Ok(Response::new(queries::update(tx, &access, id, &change).await?.into()))
    }

    pub(crate) async fn rotate_webhook_secret(
        &self,
        request: Request<pb::RotateWebhookSecretRequest>,
    ) -> Result<Response<pb::RotateWebhookSecretResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let RotateSecretInput { key, id, etag, overlap } = request.into_inner().try_into()?;
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, (access, webhook)) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "RotateWebhookSecret", key.as_ref(), id),
            lock(&tx, id, user_id),
        )?;
        let webhook = if earlier.is_some() {
            tx.finish();
            webhook
        } else {
            etag::check(&etag, webhook.version)?;
            let change = WebhookChange {
                generation: Some(webhook.generation + 1),
                former_secret_expires_at: Some(Some(self.context.clock.now() + overlap)),
                ..WebhookChange::default()
            };
            queries::update(tx, &access, id, &change).await?
        };
        let secret = self.webhook_secrets.of(webhook.id, webhook.generation);
        Ok(Response::new(pb::RotateWebhookSecretResponse { webhook: Some(webhook.into()), secret }))
    }

    pub(crate) async fn send_test_event(
        &self,
        request: Request<pb::SendTestEventRequest>,
    ) -> Result<Response<pb::WebhookDelivery>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let QueueDeliveryInput { key, id } = request.into_inner().try_into()?;
        let (now, delivery_id) = (self.context.clock.now(), Uuid::now_v7());
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, access, webhook) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "SendTestEvent", key.as_ref(), delivery_id),
            queries::access(&tx, id, user_id),
            queries::find(&tx, id),
        )?;
        access.require(Permission::WebhookManage)?;
        if let Some(earlier) = earlier {
            return Ok(self.replay(tx, earlier).await?);
        }
        let webhook = webhook.ok_or_else(|| queries::not_found(id))?;
        deliveries::require_room(&tx, &webhook).await?;
        let message = NewMessage {
            id: Uuid::now_v7(),
            project_id: webhook.project_id,
            event_type: TEST_EVENT.to_owned(),
            resource_id: id,
            payload: payload::test_body(id, now)?,
            created_at: now,
        };
        let delivery = deliveries::separate_delivery(delivery_id, id, message.id, now);
        let delivery = deliveries::insert(tx, &access, Some(&message), &delivery).await?;
        self.webhooks.wake();
        Ok(Response::new(delivery.into()))
    }

    pub(crate) async fn redeliver_webhook(
        &self,
        request: Request<pb::RedeliverWebhookRequest>,
    ) -> Result<Response<pb::WebhookDelivery>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let QueueDeliveryInput { key, id } = request.into_inner().try_into()?;
        let new_id = Uuid::now_v7();
        let tx = self.context.database.begin(&caller).await?;
        let (earlier, access, former) = try_join!(
            idempotency::claim(&tx, NAME, user_id, "RedeliverWebhook", key.as_ref(), new_id),
            deliveries::access(&tx, id, user_id),
            deliveries::find(&tx, id),
        )?;
        access.require(Permission::WebhookManage)?;
        if let Some(earlier) = earlier {
            return Ok(self.replay(tx, earlier).await?);
        }
        let (former, _payload) = former.ok_or_else(|| deliveries::not_found(id))?;
        let webhook = queries::find(&tx, former.webhook_id).await?;
        let webhook = webhook.ok_or_else(|| queries::not_found(former.webhook_id))?;
        deliveries::require_room(&tx, &webhook).await?;
        let now = self.context.clock.now();
        let delivery = deliveries::separate_delivery(new_id, webhook.id, former.message_id, now);
        let delivery = deliveries::insert(tx, &access, None, &delivery).await?;
        self.webhooks.wake();
        Ok(Response::new(delivery.into()))
    }

    async fn replay(&self, tx: Transaction, delivery_id: Uuid) -> Result<Response<pb::WebhookDelivery>> {
        let found = deliveries::find(&tx, delivery_id).await?;
        tx.finish();
        let (delivery, _payload) = found.ok_or_else(|| deliveries::not_found(delivery_id))?;
        Ok(Response::new(delivery.into()))
    }

    pub(crate) async fn get_webhook_delivery(
        &self,
        request: Request<pb::GetWebhookDeliveryRequest>,
    ) -> Result<Response<pb::WebhookDelivery>, Status> {
        let caller = Caller::of(&request)?;
        let id = read_id("webhook_delivery_id", &request.get_ref().webhook_delivery_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, found) =
            try_join!(deliveries::access(&tx, id, caller.database_user()), deliveries::find(&tx, id))?;
        tx.finish();
        access.require(Permission::WebhookManage)?;
        let (delivery, payload) = found.ok_or_else(|| deliveries::not_found(id))?;
        let is_readable = permission_to_read(&delivery.event_type)
            .is_some_and(|permission| access.permissions.contains(permission));
        let payload = if is_readable { payload } else { String::new() };
        Ok(Response::new(pb::WebhookDelivery { payload, ..delivery.into() }))
    }

    pub(crate) async fn list_webhook_deliveries(
        &self,
        request: Request<pb::ListWebhookDeliveriesRequest>,
    ) -> Result<Response<pb::ListWebhookDeliveriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.database_user();
        let ListInput { id, statuses, page_size, page_token } = request.into_inner().try_into()?;
        let query = format!("deliveries to {id} that {user_id} sees: {statuses:?}");
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, mut found) =
            try_join!(queries::access(&tx, id, user_id), deliveries::list(&tx, id, &statuses, &page))?;
        tx.finish();
        access.require(Permission::WebhookManage)?;
        let position = |last: &Delivery| AfterTime { at: last.created_at, id: last.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut found, position)?;
        let deliveries = found.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListWebhookDeliveriesResponse { deliveries, next_page_token }))
    }
}
