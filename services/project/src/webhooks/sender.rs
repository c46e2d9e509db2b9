//! Sends what is due. Each webhook has one request at a time, and a process a bounded number: an endpoint that is slow or
//! dead holds up nobody but itself.

use std::time::Duration;

use shared::error::Result;
use shared::housekeeping::record_run;
use shared::mail::Outbox;
use shared::service::ServiceContext;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::client::{WebhookClient, WebhookRequest};
use super::queue::{self, Claim, DueDelivery};
use super::secrets::SigningInput;
use super::{FanOut, WebhookOptions, WebhookSecrets, notices};

/// Requests of one process at a time.
const MAX_CONCURRENT_REQUESTS: usize = 64;
/// How often to look for deliveries without having been woken, and for owners who have to be told something.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long one webhook is sent to before others have their turn.
const TURN_DURATION: Duration = Duration::from_secs(10);
/// How often old deliveries are deleted.
const DELETE_INTERVAL: Duration = Duration::from_secs(600);

/// Sends deliveries; cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    context: ServiceContext,
    fan_out: FanOut,
    secrets: WebhookSecrets,
    client: WebhookClient,
    outbox: Outbox,
}

impl Sender {
    /// # Errors
    /// When the TLS client cannot be made.
    pub(crate) fn new(
        context: &ServiceContext,
        fan_out: &FanOut,
        secrets: &WebhookSecrets,
        outbox: &Outbox,
        options: WebhookOptions,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            context: context.clone(),
            fan_out: fan_out.clone(),
            secrets: secrets.clone(),
            client: WebhookClient::new(options)?,
            outbox: outbox.clone(),
        })
    }

    /// Sends until shutdown, then waits for the requests that are under way.
    pub(crate) async fn run(self) {
        let mut turns = JoinSet::new();
        let mut deleted: Option<Instant> = None;
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        loop {
            let is_poll = tokio::select! {
                () = self.context.shutdown.cancelled() => break,
                () = self.fan_out.woken() => false,
                Some(_ended) = turns.join_next() => false,
                _ = polls.tick() => true,
            };
            if let Err(error) = self.start_turns(&mut turns).await {
                tracing::debug!(%error, "webhooks wait; trying again");
            }
            if !is_poll {
                continue;
            }
            if let Err(error) = notices::queue_mails(&self.context, &self.outbox).await {
                tracing::warn!(%error, "an owner is told later that a webhook is paused");
            }
            if deleted.is_none_or(|at| at.elapsed() >= DELETE_INTERVAL) {
                deleted = Some(Instant::now());
                let outcome = queue::delete_old(&self.context.worker, self.context.clock.now()).await;
                record_run("old_webhook_deliveries", &outcome);
            }
        }
        while turns.join_next().await.is_some() {}
    }

    async fn start_turns(&self, turns: &mut JoinSet<()>) -> Result<()> {
        let free = MAX_CONCURRENT_REQUESTS.saturating_sub(turns.len());
        if free == 0 {
            return Ok(());
        }
        for claim in queue::claim(&self.context.worker, self.context.clock.now(), free).await? {
            let sender = self.clone();
            turns.spawn(async move {
                if let Err(error) = sender.take_turn(claim).await {
                    tracing::debug!(webhook = %claim.webhook_id, %error, "a webhook waits; trying again");
                }
            });
        }
        Ok(())
    }

    /// Sends what is due at one webhook, one after the other, until a request fails or the turn is over.
    async fn take_turn(&self, mut claim: Claim) -> Result<()> {
        let (worker, clock) = (&self.context.worker, &self.context.clock);
        let ends = Instant::now() + TURN_DURATION;
        while !self.context.shutdown.is_cancelled() && Instant::now() < ends {
            let Some(due) = queue::next(worker, &mut claim, clock.now()).await? else { break };
            if !due.is_authorized() {
                queue::refuse(worker, &due).await?;
                continue;
            }
            let attempt = self.client.send(self.request(claim.webhook_id, &due)).await;
            if let Some(wait) = queue::record(worker, claim, &due, &attempt, clock.now()).await? {
                return queue::release(worker, claim, wait).await;
            }
        }
        queue::release(worker, claim, clock.now()).await
    }

    fn request(&self, webhook_id: Uuid, due: &DueDelivery) -> WebhookRequest {
        let timestamp = self.context.clock.now();
        let message_id = message_id(due.message_id);
        let signature = self.secrets.sign(&SigningInput {
            webhook_id,
            generation: due.generation,
            signs_with_former: due.former_secret_expires_at.is_some_and(|expires_at| expires_at > timestamp),
            message_id: &message_id,
            timestamp,
            body: &due.payload,
        });
        let url = due.url.clone();
        let timestamp = timestamp.timestamp();
        WebhookRequest { url, message_id, timestamp, signature, body: due.payload.clone() }
    }
}

/// The header `webhook-id` of a message.
pub(super) fn message_id(id: Uuid) -> String {
    format!("msg_{}", id.simple())
}
