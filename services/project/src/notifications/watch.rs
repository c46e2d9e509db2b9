//! One caller's watch of their inbox. It reads only after the tail has seen a change.

use futures::{Stream, stream};
use proto::project::v1 as pb;
use shared::caller::Caller;
use shared::change_log::feed::{HEARTBEAT_INTERVAL, MAX_EVENTS};
use shared::error::{Error, Result};
use shared::service::ServiceContext;
use tokio::sync::watch;
use uuid::Uuid;

use super::tail::InboxTail;
use super::{InboxPositions, queries};

struct InboxWatch {
    context: ServiceContext,
    caller: Caller,
    user_id: Uuid,
    /// What the resume tokens belong to.
    query: String,
    /// The position after the last notification that was sent.
    position: i64,
    read_position: i64,
    changes: watch::Receiver<InboxPositions>,
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The first response, which has no notifications.
    Begin,
    /// What is there already.
    Read,
    Wait,
}

/// Follows the caller's inbox, after the token or from now on.
///
/// # Errors
/// `INVALID_ARGUMENT` (`RESUME_TOKEN_INVALID`) for a token of something else, `OUT_OF_RANGE` for one that is ahead of the
/// inbox, as before a restored backup.
pub(super) async fn watch(
    context: &ServiceContext,
    tail: &InboxTail,
    caller: Caller,
    resume_token: &str,
) -> Result<impl Stream<Item = Result<pb::WatchInboxResponse>> + Send + use<>> {
    let user_id = caller.user()?.user_id;
    let query = format!("WatchInbox {user_id}");
    let asked: Option<i64> = context.pages.resume(&query, resume_token)?;
    // First, so that no change after the read is missed.
    let changes = tail.subscribe(user_id);
    let tx = context.database.begin(&caller).await?;
    let InboxPositions { last_position, read_position } = queries::positions(&tx, user_id).await?;
    tx.finish();
    let position = asked.unwrap_or(last_position);
    if position > last_position {
        return Err(Error::CursorExpired);
    }
    let (context, next) = (context.clone(), Next::Begin);
    let watch = InboxWatch { context, caller, user_id, query, position, read_position, changes, next };
    Ok(stream::try_unfold(watch, async |mut watch: InboxWatch| {
        let shutdown = watch.context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => Ok(None),
            response = watch.respond() => response.map(|response| Some((response, watch))),
        }
    }))
}

impl InboxWatch {
    /// The next notifications or the new read position, or neither when a heartbeat is due.
    async fn respond(&mut self) -> Result<pb::WatchInboxResponse> {
        if self.next == Next::Begin {
            self.next = Next::Read;
            return self.response(Vec::new());
        }
        loop {
            if self.next == Next::Wait {
                match tokio::time::timeout(HEARTBEAT_INTERVAL, self.changes.changed()).await {
                    Ok(changed) => changed.map_err(Error::internal)?,
                    Err(_heartbeat_is_due) => return self.response(Vec::new()),
                }
            }
            let known = self.read_position;
            let notifications = self.read().await?;
            if !notifications.is_empty() || self.read_position != known {
                return self.response(notifications);
            }
        }
    }

    /// Reads the next notifications that the caller may read now, and moves on behind them.
    async fn read(&mut self) -> Result<Vec<pb::Notification>> {
        let size = i64::try_from(MAX_EVENTS).unwrap_or(i64::MAX);
        let tx = self.context.database.begin(&self.caller).await?;
        // The positions first: what is not among the rows that are read after them is hidden.
        let (positions, rows) = futures::try_join!(
            queries::positions(&tx, self.user_id),
            queries::after(&tx, self.user_id, self.position, size),
        )?;
        tx.finish();
        self.read_position = positions.read_position;
        let last = rows.last().map_or(self.position, |last| last.position);
        let is_partial = rows.len() >= MAX_EVENTS;
        self.position = if is_partial { last } else { last.max(positions.last_position) };
        self.next = if is_partial { Next::Read } else { Next::Wait };
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn response(&self, notifications: Vec<pb::Notification>) -> Result<pb::WatchInboxResponse> {
        Ok(pb::WatchInboxResponse {
            notifications,
            resume_token: self.context.pages.seal(&self.query, &self.position)?,
            read_position: self.read_position,
        })
    }
}
