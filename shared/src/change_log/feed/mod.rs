//! Following a project's changes as a client does: a stream of events with resume tokens.
//!
//! What a watcher can rely on:
//! - *Every change once.* Each message has a token for the position after it. The token is signed and bound to its
//!   caller and filters. Heartbeats have one too, so that a position does not fall behind the log's horizon while
//!   nothing changes; a position that did is refused with `CURSOR_EXPIRED`.
//! - *No change after one's removal.* Access is checked again before changes are sent that were read together with a
//!   change of access, and when access changes alone. Changes from before the removal may still arrive.
//! - *A clear end for a slow reader.* At most [`BUFFER_MESSAGES`] messages wait for a reader. The stream of one who
//!   takes none for [`SLOW_READER_TIMEOUT`] ends with `WATCH_TOO_SLOW`; the reader resumes by token.
//!
//! One task in each process reads the end of the log for all watchers (`tail`): a change costs one read however
//! many watch, and wakes only the watchers of its project. A watcher reads by itself (`watcher`) only from its resume
//! token to the present, and after it has fallen behind. So a thousand watchers cost one reader, and no reader waits for
//! another.

mod channels;
mod service_stream;
mod state;
mod subject;
mod tail;
mod watcher;

use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use self::state::FeedState;
use self::watcher::Watcher;
use super::{Cursor, Lag, Signal, records};
use crate::database::Database;
use crate::error::Result;
use crate::page::PageTokens;

pub use self::service_stream::{EventSource, ServiceBatch, StartPosition};
pub use self::subject::{
    BUFFER_MESSAGES, HEARTBEAT_INTERVAL, MAX_EVENTS, MESSAGE_BYTES, SLOW_READER_TIMEOUT, Subject, WatchBatch,
};

/// The feed of one service's change log.
#[derive(Clone)]
pub struct Feed(Arc<FeedState>);

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
        lag.mark_idle();
        Self(Arc::new(FeedState {
            schema,
            worker,
            signal,
            tokens,
            shutdown,
            channels: Mutex::default(),
            lag,
        }))
    }

    /// Follows the changes of a project, after the token or from now on. `query` names the method, the caller and
    /// every filter: the token belongs to it. The first message comes at once and without events: after it,
    /// the caller can read a snapshot and miss no change.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (`RESUME_TOKEN_INVALID`) for a token of something else, `OUT_OF_RANGE` for one that has
    /// expired, and those of [`Subject::admit`].
    pub async fn watch<S: Subject>(
        &self,
        project_id: Uuid,
        query: String,
        resume_token: &str,
        subject: S,
    ) -> Result<impl Stream<Item = Result<WatchBatch<S::Event>, Status>> + Send + use<S>> {
        let asked = self.0.tokens.resume(&query, resume_token)?;
        subject.admit().await?;
        let cursor = self.start(asked).await?;
        let (outbox, messages) = mpsc::channel(BUFFER_MESSAGES);
        // The end has a way of its own: it must not wait for a reader who does not read.
        let (ending, end) = oneshot::channel::<Status>();
        let watcher = Watcher::new(self.0.clone(), project_id, query, cursor, subject, outbox);
        tokio::spawn(watcher.run(ending));
        let end = stream::once(end).filter_map(async |end| end.ok().map(Err));
        Ok(ReceiverStream::new(messages).map(Ok).chain(end))
    }

    async fn start(&self, asked: Option<Cursor>) -> Result<Cursor> {
        let tx = self.0.worker.begin_background().await?;
        let bounds = records::bounds(&tx, self.0.schema).await?;
        tx.finish();
        let cursor = asked.unwrap_or(bounds.head);
        bounds.check(cursor)?;
        Ok(cursor)
    }
}
