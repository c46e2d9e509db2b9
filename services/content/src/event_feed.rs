//! The events of all projects, for sibling services.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::content::backend::v1 as backend;
use proto::content::backend::v1::content_event::Resource;
use shared::change_log::Record;
use shared::change_log::feed::{EventSource, StartPosition};
use shared::error::Result;
use tonic::{Request, Response, Status};

use crate::comments::feed as comments;
use crate::feed as documents;
use crate::handler::ContentHandler;

struct ContentEvents;

impl EventSource for ContentEvents {
    type Event = backend::ContentEvent;

    const ENTITIES: &'static [&'static str] =
        &[documents::wire::DOCUMENTS, comments::COMMENTS, comments::REACTIONS];

    async fn to_events(&self, records: &[Record]) -> Result<Vec<Option<backend::ContentEvent>>> {
        records.iter().map(event).collect()
    }
}

fn event(record: &Record) -> Result<Option<backend::ContentEvent>> {
    let Some(project_id) = record.project_id else { return Ok(None) };
    let document = documents::wire::event(record, project_id, &documents::EventFilter::default())?;
    let resource = match document {
        Some(document) => Some(Resource::Document(document)),
        None => {
            comments::event(record, project_id, &comments::EventFilter::default())?.map(Resource::Comment)
        }
    };
    Ok(resource.map(|resource| backend::ContentEvent { resource: Some(resource) }))
}

impl ContentHandler {
    pub(crate) async fn watch_events(
        &self,
        request: Request<backend::WatchEventsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<backend::WatchEventsResponse, Status>>>, Status> {
        let backend::WatchEventsRequest { cursor, start_at_end } = request.into_inner();
        let start = StartPosition::parse(&cursor, start_at_end)?;
        let batches = self.context.feed.follow(ContentEvents, start).await?;
        let responses = batches.map_err(Status::from).map_ok(|batch| backend::WatchEventsResponse {
            events: batch.events,
            cursor: batch.cursor.to_string(),
            caught_up: batch.is_caught_up,
        });
        Ok(Response::new(responses.boxed()))
    }
}
