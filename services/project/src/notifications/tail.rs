//! The one reader of inboxes for all their watchers in a process: it wakes those whose inbox has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::error::Result;
use shared::service::ServiceContext;
use tokio::sync::watch;
use uuid::Uuid;

use super::{InboxPositions, queries};

/// Shortest time between two reads: under load, many changes with one read.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(10);
/// How long to wait after the database did not answer.
const RETRY_DELAY: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(crate) struct InboxTail(Arc<TailState>);

struct TailState {
    context: ServiceContext,
    watched: Mutex<WatchedInboxes>,
}

#[derive(Default)]
struct WatchedInboxes {
    by_user: HashMap<Uuid, watch::Sender<InboxPositions>>,
    is_read: bool,
}

impl WatchedInboxes {
    /// The users who watch. When there are none, the reader ends.
    fn users(&mut self) -> Vec<Uuid> {
        self.by_user.retain(|_, inbox| inbox.receiver_count() > 0);
        self.is_read = !self.by_user.is_empty();
        self.by_user.keys().copied().collect()
    }
}

impl InboxTail {
    /// Does nothing until somebody watches.
    pub(crate) fn new(context: &ServiceContext) -> Self {
        Self(Arc::new(TailState { context: context.clone(), watched: Mutex::default() }))
    }

    /// Notes each change of a user's inbox from now on.
    pub(super) fn subscribe(&self, user_id: Uuid) -> watch::Receiver<InboxPositions> {
        let mut watched = self.0.watched();
        let inbox = watched.by_user.entry(user_id).or_insert_with(|| watch::Sender::new(Default::default()));
        let changes = inbox.subscribe();
        if !std::mem::replace(&mut watched.is_read, true) {
            tokio::spawn(run(self.0.clone()));
        }
        changes
    }
}

impl TailState {
    fn watched(&self) -> MutexGuard<'_, WatchedInboxes> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, users: &[Uuid]) -> Result<()> {
        let tx = self.context.worker.begin_background().await?;
        let inboxes = queries::positions_of(&tx, users).await?;
        tx.finish();
        let watched = self.watched();
        for inbox in inboxes {
            if let Some(sender) = watched.by_user.get(&inbox.user_id) {
                sender.send_if_modified(|known| std::mem::replace(known, inbox.positions) != inbox.positions);
            }
        }
        Ok(())
    }
}

async fn run(tail: Arc<TailState>) {
    let shutdown = tail.context.shutdown.clone();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = follow(&tail) => {}
    }
}

async fn follow(tail: &TailState) {
    let mut listener = tail.context.signal.listen(MIN_READ_INTERVAL);
    loop {
        let users = tail.watched().users();
        if users.is_empty() {
            return;
        }
        if let Err(error) = tail.read(&users).await {
            tracing::debug!(%error, "inboxes could not be read");
            tokio::time::sleep(RETRY_DELAY).await;
        }
        listener.wait().await;
    }
}
