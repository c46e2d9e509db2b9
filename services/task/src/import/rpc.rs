//! The import RPCs, for operators. A batch is answered before the next one is read, so a stream takes no more memory
//! than a batch.

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use proto::task::admin::v1 as pb;
use tonic::{Request, Response, Status, Streaming};

use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn import_tasks(
        &self,
        request: Request<Streaming<pb::ImportTasksRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportTasksResponse, Status>>>, Status> {
        let handler = self.clone();
        let answers = batches(request.into_inner()).and_then(move |batch| {
            let handler = handler.clone();
            async move {
                let pb::ImportTasksRequest { tasks, task_counters, milestones } = batch;
                let mut results = handler.import_counter_batch(task_counters).await?;
                results.extend(handler.import_milestone_batch(milestones).await?);
                results.extend(handler.import_task_batch(tasks).await?);
                Ok(pb::ImportTasksResponse { results })
            }
        });
        Ok(Response::new(answers.boxed()))
    }

    pub(crate) async fn import_task_dependencies(
        &self,
        request: Request<Streaming<pb::ImportTaskDependenciesRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportTaskDependenciesResponse, Status>>>, Status>
    {
        let handler = self.clone();
        let answers = batches(request.into_inner()).and_then(move |batch| {
            let handler = handler.clone();
            async move {
                let results = handler.import_dependency_batch(batch).await?;
                Ok(pb::ImportTaskDependenciesResponse { results })
            }
        });
        Ok(Response::new(answers.boxed()))
    }

    pub(crate) async fn import_time_entries(
        &self,
        request: Request<Streaming<pb::ImportTimeEntriesRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportTimeEntriesResponse, Status>>>, Status> {
        let handler = self.clone();
        let answers = batches(request.into_inner()).and_then(move |batch| {
            let handler = handler.clone();
            async move {
                let results = handler.import_time_entry_batch(batch).await?;
                Ok(pb::ImportTimeEntriesResponse { results })
            }
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn batches<T: Send + 'static>(requests: Streaming<T>) -> BoxStream<'static, Result<T, Status>> {
    stream::try_unfold(requests, async |mut requests: Streaming<T>| {
        Ok(requests.message().await?.map(|batch| (batch, requests)))
    })
    .boxed()
}
