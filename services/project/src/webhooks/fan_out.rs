//! Queues a delivery for each webhook that gets an event, in the transaction that follows the event.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shared::access::{Permission, Permissions};
use shared::clock::Clock;
use shared::database::Transaction;
use shared::error::Result;
use shared::schema::ProjectRole;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{EventFilter, NewDelivery, NewMessage, notices, payload, queries, read_permission};
use crate::events::SuiteEvent;
use crate::schema::{
    PauseReason, WebhookStatus, project_members, webhook_deliveries, webhook_messages, webhooks,
};

/// Rows in one statement: PostgreSQL takes 65,535 parameters.
const INSERT_CHUNK: usize = 1000;

/// Queues deliveries; cheap to clone.
#[derive(Clone)]
pub(crate) struct FanOut {
    clock: Clock,
    wake: Arc<Notify>,
}

/// An active webhook and what its maintainer may do.
struct Subscriber {
    id: Uuid,
    project_id: Uuid,
    filter: EventFilter,
    created_at: DateTime<Utc>,
    permissions: Permissions,
}

type SubscriberRow = (Uuid, Uuid, EventFilter, DateTime<Utc>, Option<ProjectRole>, Option<Value>);

impl FanOut {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, wake: Arc::default() }
    }

    /// Makes the sender of this process look for deliveries at once.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Queues the deliveries of these events under the worker role.
    pub(crate) async fn apply(&self, tx: &Transaction, events: &[SuiteEvent]) -> Result<()> {
        let projects: HashSet<Uuid> = events.iter().map(|event| event.project_id).collect();
        let subscribers = load_subscribers(tx, &projects.into_iter().collect::<Vec<_>>()).await?;
        if subscribers.is_empty() {
            return Ok(());
        }
        let subscribers = pause_stopped(tx, subscribers).await?;
        let now = self.clock.now();
        let (mut messages, mut deliveries) = (Vec::new(), Vec::new());
        for event in events {
            let receivers = subscribers.iter().filter(|subscriber| subscriber.gets(event));
            let receivers: Vec<Uuid> = receivers.map(|subscriber| subscriber.id).collect();
            if receivers.is_empty() {
                continue;
            }
            let Some(message) = message(event, now)? else { continue };
            deliveries.extend(receivers.into_iter().map(|webhook_id| NewDelivery {
                id: Uuid::now_v7(),
                webhook_id,
                message_id: message.id,
                order_key: event.resource_id,
                next_attempt_at: now,
                created_at: now,
            }));
            messages.push(message);
        }
        insert(tx, &messages, &deliveries).await
    }
}

impl Subscriber {
    fn gets(&self, event: &SuiteEvent) -> bool {
        let change = event.payload.change();
        change.is_some_and(|change| {
            self.project_id == event.project_id
                && self.created_at <= event.changed_at
                && self.filter.matches(change.kind(), change.resource_type())
                && read_permission(change.resource_type())
                    .is_some_and(|permission| self.permissions.contains(permission))
        })
    }
}

fn message(event: &SuiteEvent, now: DateTime<Utc>) -> Result<Option<NewMessage>> {
    let Some(event_type) = event.payload.change().and_then(payload::event_type) else { return Ok(None) };
    Ok(Some(NewMessage {
        id: Uuid::now_v7(),
        project_id: event.project_id,
        payload: payload::body(&event_type, event.changed_at, &event.payload)?,
        event_type,
        resource_id: event.resource_id,
        created_at: now,
    }))
}

async fn load_subscribers(mut conn: &AsyncPgConnection, projects: &[Uuid]) -> Result<Vec<Subscriber>> {
    let of_maintainer = project_members::project_id
        .eq(webhooks::project_id)
        .and(project_members::user_id.eq(webhooks::maintainer_id));
    let query = webhooks::table
        .left_join(project_members::table.on(of_maintainer))
        .filter(webhooks::project_id.eq_any(projects))
        .filter(webhooks::status.eq(WebhookStatus::Active))
        .select((
            webhooks::id,
            webhooks::project_id,
            EventFilter::as_select(),
            webhooks::created_at,
            project_members::role.nullable(),
            project_members::permissions.nullable(),
        ));
    let rows: Vec<SubscriberRow> = query.load(&mut conn).await?;
    let subscriber = |(id, project_id, filter, created_at, role, exceptions): SubscriberRow| {
        let permissions = role.map(|role| Permissions::of(Some(role), exceptions.as_ref()));
        Subscriber { id, project_id, filter, created_at, permissions: permissions.unwrap_or_default() }
    };
    Ok(rows.into_iter().map(subscriber).collect())
}

/// Pauses the webhooks whose maintainer may no longer manage them and those with too many waiting deliveries, and returns
/// the others.
async fn pause_stopped(tx: &Transaction, subscribers: Vec<Subscriber>) -> Result<Vec<Subscriber>> {
    let (authorized, unauthorized): (Vec<_>, Vec<_>) = subscribers
        .into_iter()
        .partition(|subscriber| subscriber.permissions.contains(Permission::WebhookManage));
    let ids = |subscribers: &[Subscriber]| subscribers.iter().map(|one| one.id).collect::<Vec<_>>();
    if !unauthorized.is_empty() {
        notices::pause(tx, &ids(&unauthorized), PauseReason::NotAuthorized).await?;
    }
    let full = queries::full(tx, &ids(&authorized)).await?;
    if !full.is_empty() {
        notices::pause(tx, &full, PauseReason::QueueFull).await?;
    }
    Ok(authorized.into_iter().filter(|subscriber| !full.contains(&subscriber.id)).collect())
}

/// Inserts in order: positions follow the order of the events.
async fn insert(
    mut conn: &AsyncPgConnection,
    messages: &[NewMessage],
    deliveries: &[NewDelivery],
) -> Result<()> {
    for some in messages.chunks(INSERT_CHUNK) {
        diesel::insert_into(webhook_messages::table).values(some).execute(&mut conn).await?;
    }
    for some in deliveries.chunks(INSERT_CHUNK) {
        diesel::insert_into(webhook_deliveries::table).values(some).execute(&mut conn).await?;
    }
    Ok(())
}
