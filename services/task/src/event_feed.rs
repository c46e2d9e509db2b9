//! The events of all projects, for sibling services.

use std::collections::HashMap;

use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use proto::task::backend::v1 as backend;
use proto::task::v1 as pb;
use shared::change_log::Record;
use shared::change_log::feed::{EventSource, StartPosition};
use shared::database::PreparedQuery;
use shared::error::Result;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::feed::ChangedResource;
use crate::feed::wire::event;
use crate::handler::TaskHandler;

struct TaskEvents(ServiceContext);

#[derive(QueryableByName)]
struct ProjectKey {
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = Text)]
    key: String,
}

impl EventSource for TaskEvents {
    type Event = pb::TaskEvent;

    const ENTITIES: &'static [&'static str] = &["tasks", "task_dependencies", "time_entries", "milestones"];

    async fn to_events(&self, records: &[Record]) -> Result<Vec<Option<pb::TaskEvent>>> {
        let keys = self.project_keys(records).await?;
        records.iter().map(|record| to_event(record, &keys)).collect()
    }
}

impl TaskEvents {
    /// The keys of the projects of these changes, which the log does not hold.
    async fn project_keys(&self, records: &[Record]) -> Result<HashMap<Uuid, String>> {
        let mut projects: Vec<Uuid> = records.iter().filter_map(|record| record.project_id).collect();
        projects.sort_unstable();
        projects.dedup();
        if projects.is_empty() {
            return Ok(HashMap::new());
        }
        let tx = self.0.worker.begin_background().await?;
        let mut conn: &AsyncPgConnection = &tx;
        let query = sql_query("SELECT project_id, key FROM task.project_access WHERE project_id = ANY ($1)");
        let query = query.bind::<Array<SqlUuid>, _>(&projects);
        let keys: Vec<ProjectKey> = PreparedQuery(query).load(&mut conn).await?;
        tx.finish();
        Ok(keys.into_iter().map(|row| (row.project_id, row.key)).collect())
    }
}

fn to_event(record: &Record, keys: &HashMap<Uuid, String>) -> Result<Option<pb::TaskEvent>> {
    let (Some(project_id), Some(changed)) = (record.project_id, ChangedResource::of(record)?) else {
        return Ok(None);
    };
    if matches!(changed, ChangedResource::Dependency { other_project: Some(_), .. }) {
        return Ok(None);
    }
    let key = keys.get(&project_id).map(String::as_str).unwrap_or_default();
    Ok(Some(event(record, project_id, changed.with_project_key(key))))
}

impl TaskHandler {
    pub(crate) async fn watch_events(
        &self,
        request: Request<backend::WatchEventsRequest>,
    ) -> Result<Response<BoxStream<'static, Result<backend::WatchEventsResponse, Status>>>, Status> {
        let backend::WatchEventsRequest { cursor, start_at_end } = request.into_inner();
        let start = StartPosition::parse(&cursor, start_at_end)?;
        let batches = self.context.feed.follow(TaskEvents(self.context.clone()), start).await?;
        let responses = batches.map_err(Status::from).map_ok(|batch| backend::WatchEventsResponse {
            events: batch.events,
            cursor: batch.cursor.to_string(),
            caught_up: batch.is_caught_up,
        });
        Ok(Response::new(responses.boxed()))
    }
}
