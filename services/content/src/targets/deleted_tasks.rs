//! Deletes the attachments and comments of deleted tasks. It follows the feed of the task service and stores its position in the
//! transaction of each batch, so that each deletion is applied exactly once.

use std::time::Duration;

use proto::task::backend::v1::{WatchDeletedTasksRequest, WatchDeletedTasksResponse};
use shared::change_log::{Lag, positions};
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::{Code, Status};
use uuid::Uuid;

use super::queries;
use crate::schema::NAME;

/// Name of the position in `feed_positions`.
const FEED: &str = "deleted_tasks";
/// The feed sends a heartbeat every second.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Runs until shutdown.
pub(crate) async fn follow(context: ServiceContext) {
    let lag = Lag::measured(NAME, FEED);
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            outcome = follow_once(&context, &lag) => if let Err(error) = outcome {
                tracing::debug!(%error, "the feed of deleted tasks ended");
            }
        }
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_DELAY) => {}
        }
    }
}

async fn follow_once(context: &ServiceContext, lag: &Lag) -> Result<()> {
    let mut position = positions::get(&context.worker, NAME, FEED).await?.unwrap_or_default();
    let request = WatchDeletedTasksRequest { cursor: position.clone() };
    let mut feed = match context.siblings.task_lookup().watch_deleted_tasks(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return restart_if_expired(context, status).await,
    };
    loop {
        let next =
            tokio::time::timeout(IDLE_TIMEOUT, feed.message()).await.map_err(|_| Error::DeadlineExceeded)?;
        let message = match next {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(status) => return restart_if_expired(context, status).await,
        };
        if message.cursor != position || !message.task_ids.is_empty() {
            apply(context, &message).await?;
            position = message.cursor;
        }
        if message.caught_up {
            lag.mark_caught_up();
        }
    }
}

/// Resets the position if the feed has deleted it already.
async fn restart_if_expired(context: &ServiceContext, status: Status) -> Result<()> {
    if status.code() == Code::OutOfRange {
        return apply(context, &WatchDeletedTasksResponse::default()).await;
    }
    Err(from_sibling("task")(status))
}

async fn apply(context: &ServiceContext, message: &WatchDeletedTasksResponse) -> Result<()> {
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
