//! Following a project's changes as a client does: a stream of events with resume tokens.
//!
//! What a watcher is promised:
//! - *Nothing lost, nothing twice.* Each message carries a token that stands for everything up to it. The token is
//!   signed and bound to its caller and filters; a heartbeat carries one too, so that a position does not fall
//!   behind the log's horizon while nothing is missed. One that has is refused with `CURSOR_EXPIRED`.
//! - *Nothing after one's removal.* Access is asked again before anything is told that was read together with a
//!   change of access, and when that changes alone. What happened before the removal may still arrive.
//! - *A clear end for a slow reader.* At most [`BUFFER_MESSAGES`] messages wait for a reader. One who takes none
//!   for [`PATIENCE`] is let go with `WATCH_TOO_SLOW`, after what waits, and resumes by token.
//!
//! One task in each process reads the end of the log for all watchers ([`tail`]): a change costs one read however
//! many watch, and wakes only the watchers of its project. A watcher reads by itself ([`watcher`]) only where that
//! task has not been with it: from its resume token to now, and when it has fallen behind. So a thousand watchers
//! cost one reader, and no reader waits for another.

mod channels;
mod tail;
mod watcher;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use self::channels::{Channels, EventBatch};
use self::watcher::Watcher;
use super::records::{self, Record};
use super::{Cursor, Lag, Signal};
use crate::access::AccessTables;
use crate::database::Database;
use crate::error::{Error, ErrorReason, Result};
use crate::page::PageTokens;

/// How often a watcher hears something, if only how far it is.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Most messages that wait for a reader.
pub const BUFFER_MESSAGES: usize = 4;
/// How long a reader may take nothing while messages wait.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Most events in a message.
pub const MAX_EVENTS: usize = 100;
/// A message ends with the event that makes it this large, in bytes.
pub const MESSAGE_BYTES: usize = 1024 * 1024;

/// What is watched, and for whom.
pub trait Subject: Send + Sync + 'static {
    /// An event on the wire.
    type Event: prost::Message;

    /// Lets the caller go on watching. Must look at access as it is now.
    ///
    /// # Errors
    /// What the caller gets to see when they may not (any more); it ends the stream.
    fn admit(&self) -> impl Future<Output = Result<()>> + Send;

    /// Whether what this service knows of access may be believed without asking. While it may not, [`Self::admit`]
    /// is asked before anything is told.
    fn is_access_trusted(&self) -> bool {
        true
    }

    /// What the caller is told of a change; `None` when it is not for them, or not what they wish for.
    ///
    /// # Errors
    /// They end the stream.
    fn tell(&self, record: &Record) -> impl Future<Output = Result<Option<Self::Event>>> + Send;
}

/// One message to a watcher. Without events it is a heartbeat.
#[derive(Debug)]
pub struct WatchBatch<E> {
    /// What happened, in order.
    pub events: Vec<E>,
    /// Stands for everything up to here.
    pub resume_token: String,
}

/// The feed of one service's change log.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    schema: &'static str,
    worker: Database,
    signal: Signal,
    tokens: PageTokens,
    shutdown: CancellationToken,
    channels: Mutex<Channels>,
    /// Of the one reader; it rests while nobody watches.
    lag: Lag,
}

/// Name of the feed among those whose lag is measured.
const NAME: &str = "watchers";

impl Feed {
    /// The feed of this schema, read under the worker role. Does nothing until somebody watches.
    pub fn new(
        schema: &'static str,
        worker: Database,
        signal: Signal,
        tokens: PageTokens,
        shutdown: CancellationToken,
    ) -> Self {
        let lag = Lag::measured(schema, NAME);
        lag.rest();
        Self(Arc::new(Inner { schema, worker, signal, tokens, shutdown, channels: Mutex::default(), lag }))
    }

    /// Follows the changes of a project, after the token or from now on. `query` names the method, the caller and
    /// every filter: the token belongs to it. The first message comes at once and without events: its token stands
    /// for the moment before which the caller's own reading may begin.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (`RESUME_TOKEN_INVALID`) for a token of something else, `OUT_OF_RANGE` for one that has
    /// expired, and what [`Subject::admit`] says.
    pub async fn watch<S: Subject>(
        &self,
        project_id: Uuid,
        query: String,
        resume_token: &str,
        subject: S,
    ) -> Result<impl Stream<Item = Result<WatchBatch<S::Event>, Status>> + Send + use<S>> {
        let asked = self.read_token(&query, resume_token)?;
        subject.admit().await?;
        let cursor = self.start(asked).await?;
        let (outbox, messages) = mpsc::channel(BUFFER_MESSAGES);
        // The end has a way of its own: it must not wait for a reader who does not read.
        let (ending, end) = oneshot::channel::<Status>();
        let watcher = Watcher::new(self.clone(), project_id, query, cursor, subject, outbox);
        tokio::spawn(watcher.run(ending));
        let end = stream::once(end).filter_map(async |end| end.ok().map(Err));
        Ok(ReceiverStream::new(messages).map(Ok).chain(end))
    }

    fn read_token(&self, query: &str, token: &str) -> Result<Option<Cursor>> {
        if token.is_empty() {
            return Ok(None);
        }
        let cursor = self.0.tokens.open(query, token).ok_or_else(|| Error::InvalidFor {
            reason: ErrorReason::ResumeTokenInvalid,
            message: "the resume token does not belong to this watch and its filters".to_owned(),
            metadata: Vec::new(),
        })?;
        Ok(Some(cursor))
    }

    async fn start(&self, asked: Option<Cursor>) -> Result<Cursor> {
        let tx = self.0.worker.begin_background().await?;
        let bounds = records::bounds(&tx, self.0.schema).await?;
        tx.finish();
        let cursor = asked.unwrap_or(bounds.head);
        bounds.check(cursor)?;
        Ok(cursor)
    }

    /// Joins those who hear of a project, and sees to it that somebody tells them.
    fn subscribe(&self, project_id: Uuid) -> broadcast::Receiver<Arc<EventBatch>> {
        let mut channels = self.channels();
        if channels.needs_tail() {
            tokio::spawn(tail::run(self.clone()));
        }
        channels.subscribe(project_id)
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.0.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access_tables(&self) -> AccessTables {
        AccessTables::of(self.0.schema)
    }
}
