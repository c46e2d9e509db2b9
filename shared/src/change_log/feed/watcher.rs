//! One watcher: it reads by itself until it has caught up, and follows the tail from there.

use std::sync::Arc;

use prost::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::super::Cursor;
use super::super::records::{self, Record, RecordBatch, Scope};
use super::channels::EventBatch;
use super::state::FeedState;
use super::subject::{
    HEARTBEAT_INTERVAL, MAX_EVENTS, MESSAGE_BYTES, SLOW_READER_TIMEOUT, Subject, WatchBatch,
};
use super::tail;
use crate::error::{Error, ErrorReason, Result};

/// One watcher and its position.
pub(super) struct Watcher<S: Subject> {
    feed: Arc<FeedState>,
    project_id: Uuid,
    query: String,
    cursor: Cursor,
    subject: S,
    /// The access under which the caller was last admitted.
    revision: Option<i64>,
    outbox: mpsc::Sender<WatchBatch<S::Event>>,
    /// When the next message is due.
    heartbeat: Instant,
}

impl<S: Subject> Watcher<S> {
    pub(super) fn new(
        feed: Arc<FeedState>,
        project_id: Uuid,
        query: String,
        cursor: Cursor,
        subject: S,
        outbox: mpsc::Sender<WatchBatch<S::Event>>,
    ) -> Self {
        let heartbeat = Instant::now();
        Self { feed, project_id, query, cursor, subject, revision: None, outbox, heartbeat }
    }

    /// Sends until the reader has gone, the service stops or the caller loses access. When the service stops, the stream
    /// ends without an error: the last message has a token.
    pub(super) async fn run(mut self, ending: oneshot::Sender<Status>) {
        let shutdown = self.feed.shutdown.clone();
        let reader = self.outbox.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reader.closed() => {}
            error = self.follow() => {
                let _reader_is_gone = ending.send(error.into());
            }
        }
    }

    async fn follow(&mut self) -> Error {
        loop {
            if let Err(error) = self.follow_once().await {
                return error;
            }
        }
    }

    /// Catches up, then follows the tail until it has fallen behind.
    async fn follow_once(&mut self) -> Result<()> {
        self.send_heartbeat_if_due().await?;
        let mut batches = tail::subscribe::<S>(&self.feed, self.project_id);
        self.catch_up().await?;
        self.follow_tail(&mut batches).await
    }

    async fn catch_up(&mut self) -> Result<()> {
        loop {
            let tx = self.feed.worker.begin_background().await?;
            let scope = Scope::Project(self.project_id);
            let RecordBatch { records, upto, is_partial } =
                records::read_batch(&tx, self.feed.schema, scope, self.cursor).await?;
            tx.finish();
            // After the changes were read: a removal that was before one of them is not missed.
            self.subject.admit().await?;
            self.deliver(&records, upto).await?;
            if !is_partial {
                return Ok(());
            }
        }
    }

    async fn follow_tail(&mut self, batches: &mut broadcast::Receiver<Arc<EventBatch>>) -> Result<()> {
        while let Ok(batch) = batches.recv().await {
            if batch.after > self.cursor {
                return Ok(());
            }
            self.admit_if_access_changed(&batch).await?;
            self.deliver(&batch.records, batch.upto).await?;
        }
        // Fallen behind, or the tail has ended.
        Ok(())
    }

    /// Checks access again if it may have changed. A copy that is being rebuilt has no revision, and neither has a project
    /// that is deleted.
    async fn admit_if_access_changed(&mut self, batch: &EventBatch) -> Result<()> {
        let is_same = batch.revision == self.revision && batch.revision.is_some_and(|revision| revision > 0);
        if !is_same || (!batch.records.is_empty() && !self.subject.is_access_trusted()) {
            self.subject.admit().await?;
            self.revision = batch.revision;
        }
        Ok(())
    }

    /// Sends the events of the new ones of these changes, and moves on.
    async fn deliver(&mut self, records: &[Record], upto: Cursor) -> Result<()> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        for record in records.iter().filter(|record| record.cursor > self.cursor).collect::<Vec<_>>() {
            if let Some(event) = self.subject.to_event(record).await? {
                bytes += event.encoded_len();
                events.push(event);
            }
            self.cursor = record.cursor;
            if events.len() >= MAX_EVENTS || bytes >= MESSAGE_BYTES {
                bytes = 0;
                self.send(std::mem::take(&mut events)).await?;
            }
        }
        self.cursor = self.cursor.max(upto);
        if events.is_empty() { self.send_heartbeat_if_due().await } else { self.send(events).await }
    }

    async fn send_heartbeat_if_due(&mut self) -> Result<()> {
        if Instant::now() >= self.heartbeat { self.send(Vec::new()).await } else { Ok(()) }
    }

    async fn send(&mut self, events: Vec<S::Event>) -> Result<()> {
        let resume_token = self.feed.tokens.seal(&self.query, &self.cursor)?;
        self.heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
        match self.outbox.try_send(WatchBatch { events, resume_token }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                let sent = self.outbox.send_timeout(message, SLOW_READER_TIMEOUT).await;
                // A reader who is gone ends the watcher elsewhere.
                sent.map_err(|_| TOO_SLOW)
            }
            Err(TrySendError::Closed(_)) => Err(TOO_SLOW),
        }
    }
}

const TOO_SLOW: Error = Error::Exhausted {
    reason: ErrorReason::WatchTooSlow,
    message: "the stream is read too slowly; resume by token",
    retry_after: std::time::Duration::ZERO,
};
