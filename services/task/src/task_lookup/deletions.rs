//! Deleted tasks, read from the change log.

use std::time::Duration;

use futures::Stream;
use futures::stream;
use shared::change_log::{self, Change, Cursor, Listener};
use shared::error::Result;
use shared::service::ServiceContext;
use tokio::time::Instant;
use uuid::Uuid;

use crate::NAME;

/// Longest time between two messages.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Shortest time between two reads.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(50);
/// All entities of the log: other changes also move the cursor, so that it does not fall behind the horizon of the
/// log.
const ENTITIES: &[&str] = &["tasks", "task_dependencies"];

/// Deletions up to a cursor.
#[derive(Debug)]
pub(super) struct Deletions {
    pub(super) ids: Vec<Uuid>,
    pub(super) cursor: Cursor,
    /// Whether there was nothing more to read.
    pub(super) caught_up: bool,
}

struct Watch {
    context: ServiceContext,
    listener: Listener,
    cursor: Cursor,
}

/// Follows the deletions after a cursor, or from the oldest that is kept.
///
/// # Errors
/// `OUT_OF_RANGE` if the log has been trimmed beyond the cursor.
pub(super) async fn watch(
    context: ServiceContext,
    after: Option<Cursor>,
) -> Result<impl Stream<Item = Result<Deletions>> + Send> {
    let cursor = match after {
        Some(cursor) => cursor,
        None => horizon(&context).await?,
    };
    read(&context, cursor).await?;
    let listener = context.signal.listen(MIN_READ_INTERVAL);
    let watch = Watch { context, listener, cursor };
    Ok(stream::try_unfold(watch, async |mut watch: Watch| {
        let shutdown = watch.context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => Ok(None),
            next = watch.next() => next.map(|deletions| Some((deletions, watch))),
        }
    }))
}

impl Watch {
    /// The next deletions, or none when a heartbeat is due.
    async fn next(&mut self) -> Result<Deletions> {
        let due = Instant::now() + HEARTBEAT;
        loop {
            let changes = read(&self.context, self.cursor).await?;
            self.cursor = changes.last().map_or(self.cursor, Change::cursor);
            let ids: Vec<Uuid> = changes.iter().filter(|c| is_deletion(c)).map(|c| c.entity_id).collect();
            let caught_up = i64::try_from(changes.len()).is_ok_and(|count| count < change_log::BATCH);
            if !ids.is_empty() || Instant::now() >= due {
                return Ok(Deletions { ids, cursor: self.cursor, caught_up });
            }
            if caught_up {
                let _time_for_a_heartbeat = tokio::time::timeout_at(due, self.listener.wait()).await;
            }
        }
    }
}

fn is_deletion(change: &Change) -> bool {
    change.entity == "tasks" && change.operation == "delete"
}

async fn horizon(context: &ServiceContext) -> Result<Cursor> {
    let tx = context.worker.begin_background().await?;
    let horizon = change_log::horizon(&tx, NAME).await?;
    tx.finish();
    Ok(horizon)
}

async fn read(context: &ServiceContext, after: Cursor) -> Result<Vec<Change>> {
    let tx = context.worker.begin_background().await?;
    let changes = change_log::read(&tx, NAME, ENTITIES, after).await?;
    tx.finish();
    Ok(changes)
}
