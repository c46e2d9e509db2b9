//! Deletes the attachments of tasks that are gone: it follows the task service's feed. Each change takes effect
//! in one transaction with the position after it.

use std::time::Duration;

use proto::task::backend::v1::{WatchDeletedTasksRequest, WatchDeletedTasksResponse};
use shared::change_log::{Lag, positions};
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::{Code, Status};
use uuid::Uuid;

use super::queries;
use crate::NAME;

/// Name of the position in `feed_positions`.
const FEED: &str = "deleted_tasks";
/// How long the feed may be silent, which has a heartbeat each second.
const SILENCE: Duration = Duration::from_secs(5);
/// How long to wait before following again after the feed broke off.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows until the service stops.
pub async fn follow(context: ServiceContext) {
    let lag = Lag::measured(NAME, FEED);
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            outcome = follow_once(&context, &lag) => if let Err(error) = outcome {
                tracing::debug!(%error, "the feed of deleted tasks broke off");
            }
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Follows the feed until it breaks off.
async fn follow_once(context: &ServiceContext, lag: &Lag) -> Result<()> {
    let mut position = positions::get(&context.worker, NAME, FEED).await?.unwrap_or_default();
    let request = WatchDeletedTasksRequest { cursor: position.clone() };
    let mut feed = match context.siblings.task_lookup().watch_deleted_tasks(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return broke_off(context, status).await,
    };
    loop {
        let next =
            tokio::time::timeout(SILENCE, feed.message()).await.map_err(|_| Error::DeadlineExceeded)?;
        let message = match next {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(status) => return broke_off(context, status).await,
        };
        if message.cursor != position || !message.task_ids.is_empty() {
            take_over(context, &message).await?;
            position = message.cursor;
        }
        if message.caught_up {
            lag.catch_up();
        }
    }
}

/// A position that the feed no longer keeps means to start over.
async fn broke_off(context: &ServiceContext, status: Status) -> Result<()> {
    if status.code() == Code::OutOfRange {
        return take_over(context, &WatchDeletedTasksResponse::default()).await;
    }
    Err(from_sibling("task")(status))
}

async fn take_over(context: &ServiceContext, message: &WatchDeletedTasksResponse) -> Result<()> {
    let tasks: Vec<Uuid> = message.task_ids.iter().filter_map(|id| id.parse().ok()).collect();
    let tx = context.worker.begin_background().await?;
    let deleted = if tasks.is_empty() { 0 } else { queries::delete_of_tasks(&tx, &tasks).await? };
    positions::set(&tx, NAME, FEED, &message.cursor).await?;
    tx.commit().await?;
    if deleted > 0 {
        context.signal.announce();
    }
    Ok(())
}
