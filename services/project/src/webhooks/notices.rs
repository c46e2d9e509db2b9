//! Pausing webhooks that cannot be sent to, and the mail to the owner about it. The pause notes that the mail is due in its
//! own transaction; the address is asked of the identity service afterwards.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use proto::identity::backend::v1::ResolveEmailsRequest;
use serde_json::json;
use shared::error::{Result, from_sibling};
use shared::mail::{Outbox, QueuedMail};
use shared::service::ServiceContext;
use uuid::Uuid;

use super::email::KIND;
use crate::schema::{PauseReason, WebhookStatus, projects, webhook_states, webhooks};

/// Notices handled at once.
const BATCH_SIZE: i64 = 100;
/// After this time the mail is of no more use.
const MAIL_LIFETIME: TimeDelta = TimeDelta::days(7);

type NoticeRow = (Uuid, String, Option<PauseReason>, Uuid, String);

/// Pauses active webhooks and notes that their owners have to be told.
pub(super) async fn pause(mut conn: &AsyncPgConnection, ids: &[Uuid], reason: PauseReason) -> Result<()> {
    let active =
        webhooks::table.filter(webhooks::id.eq_any(ids)).filter(webhooks::status.eq(WebhookStatus::Active));
    let change = (webhooks::status.eq(WebhookStatus::Paused), webhooks::pause_reason.eq(reason));
    let paused: Vec<Uuid> =
        diesel::update(active).set(change).returning(webhooks::id).get_results(&mut conn).await?;
    let states = webhook_states::table.filter(webhook_states::webhook_id.eq_any(paused));
    diesel::update(states).set(webhook_states::owner_notice.eq(true)).execute(&mut conn).await?;
    Ok(())
}

/// Queues the mails that are due.
pub(super) async fn queue_mails(context: &ServiceContext, outbox: &Outbox) -> Result<()> {
    let tx = context.worker.begin_background().await?;
    let due = load_due(&tx).await?;
    tx.finish();
    if due.is_empty() {
        return Ok(());
    }
    // Without a transaction: no connection waits for a sibling.
    let user_ids = due.iter().map(|(_, _, _, owner, _)| owner.to_string()).collect();
    let answer = context.siblings.user_lookup().resolve_emails(ResolveEmailsRequest { user_ids }).await;
    let found = answer.map_err(from_sibling("identity"))?.into_inner().users;
    let tx = context.worker.begin_background().await?;
    for (webhook_id, url, reason, owner, project) in due {
        let was_due = clear(&tx, webhook_id).await?;
        let address = found.iter().find(|user| user.user_id == owner.to_string());
        if let (true, Some(address)) = (was_due, address) {
            outbox.queue(
                &tx,
                &QueuedMail {
                    id: Uuid::now_v7(),
                    kind: KIND.to_owned(),
                    recipient: address.email.clone(),
                    entity_id: webhook_id,
                    parameters: json!({ "project": project, "host": host(&url), "reason": reason }),
                    expires_at: context.clock.now() + MAIL_LIFETIME,
                },
            )?;
        }
    }
    tx.commit().await?;
    outbox.wake();
    Ok(())
}

async fn load_due(mut conn: &AsyncPgConnection) -> Result<Vec<NoticeRow>> {
    let query = webhook_states::table
        .inner_join(webhooks::table.inner_join(projects::table))
        .filter(webhook_states::owner_notice)
        .limit(BATCH_SIZE)
        .select((webhooks::id, webhooks::url, webhooks::pause_reason, projects::owner_id, projects::name));
    Ok(query.load(&mut conn).await?)
}

/// Returns whether the notice was still due.
async fn clear(mut conn: &AsyncPgConnection, webhook_id: Uuid) -> Result<bool> {
    let due = webhook_states::table.find(webhook_id).filter(webhook_states::owner_notice);
    let cleared = diesel::update(due).set(webhook_states::owner_notice.eq(false));
    Ok(cleared.execute(&mut conn).await? > 0)
}

/// The host alone: the rest of a webhook's address often holds a key.
fn host(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    parsed.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
