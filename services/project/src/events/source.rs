//! The logs of the services as streams of one shape.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::content::backend::v1 as content;
use proto::content::backend::v1::content_event::Resource;
use proto::project::v1::ProjectEvent;
use proto::task::backend::v1 as task;
use shared::change_log::Record;
use shared::change_log::feed::{EventSource, StartPosition};
use shared::error::{Error, Result, from_sibling};
use shared::service::ServiceContext;
use tonic::{Code, Status};

use super::{EventPayload, SuiteEvent};
use crate::history::{EventResource, wire};

/// A service whose events are followed.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventLog {
    Project,
    Task,
    Content,
}

/// The next events of a log. Without events it is a heartbeat.
pub(super) struct SuiteBatch {
    pub events: Vec<SuiteEvent>,
    /// The position after these.
    pub cursor: String,
    pub is_caught_up: bool,
}

pub(super) type SuiteBatches = BoxStream<'static, Result<SuiteBatch>>;

impl EventLog {
    pub(super) const ALL: [Self; 3] = [Self::Project, Self::Task, Self::Content];

    /// The name of its position and of its lag.
    pub(super) fn feed(self) -> &'static str {
        match self {
            Self::Project => "project_events",
            Self::Task => "task_events",
            Self::Content => "content_events",
        }
    }

    /// Opens the log after a position; without one, with the oldest event that is kept, or at the end.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] for a position that has expired.
    pub(super) async fn open(
        self,
        context: &ServiceContext,
        cursor: &str,
        start_at_end: bool,
    ) -> Result<SuiteBatches> {
        let cursor = cursor.to_owned();
        Ok(match self {
            Self::Project => {
                let start = StartPosition::parse(&cursor, start_at_end)?;
                let batches = context.feed.follow(ProjectEvents, start).await?;
                batches
                    .map_ok(|batch| {
                        let events = batch.events.into_iter().map(EventPayload::Project);
                        SuiteBatch::new(events, batch.cursor.to_string(), batch.is_caught_up)
                    })
                    .boxed()
            }
            Self::Task => {
                let request = task::WatchEventsRequest { cursor, start_at_end };
                let answer = context.siblings.task_events().watch_events(request).await;
                let messages = answer.map_err(explain("task"))?.into_inner();
                messages
                    .map_err(explain("task"))
                    .map_ok(|message| {
                        let events = message.events.into_iter().map(EventPayload::Task);
                        SuiteBatch::new(events, message.cursor, message.caught_up)
                    })
                    .boxed()
            }
            Self::Content => {
                let request = content::WatchEventsRequest { cursor, start_at_end };
                let answer = context.siblings.content_events().watch_events(request).await;
                let messages = answer.map_err(explain("content"))?.into_inner();
                messages
                    .map_err(explain("content"))
                    .map_ok(|message| {
                        let events = message.events.into_iter().filter_map(|event| event.resource);
                        let events = events.map(|event| match event {
                            Resource::Document(event) => EventPayload::Document(event),
                            Resource::Comment(event) => EventPayload::Comment(event),
                        });
                        SuiteBatch::new(events, message.cursor, message.caught_up)
                    })
                    .boxed()
            }
        })
    }
}

impl SuiteBatch {
    fn new(events: impl Iterator<Item = EventPayload>, cursor: String, is_caught_up: bool) -> Self {
        Self { events: events.filter_map(SuiteEvent::new).collect(), cursor, is_caught_up }
    }
}

fn explain(sibling: &'static str) -> impl Fn(Status) -> Error {
    move |status| match status.code() {
        Code::OutOfRange => Error::CursorExpired,
        _ => from_sibling(sibling)(status),
    }
}

struct ProjectEvents;

impl EventSource for ProjectEvents {
    type Event = ProjectEvent;

    const ENTITIES: &'static [&'static str] = &EventResource::ENTITIES;

    async fn to_events(&self, records: &[Record]) -> Result<Vec<Option<ProjectEvent>>> {
        records.iter().map(wire::any_event).collect()
    }
}
