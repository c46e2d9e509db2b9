//! The RPCs of batches.

use proto::task::v1 as pb;
use shared::caller::Caller;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::requested_ids;
use crate::handler::TaskHandler;
use crate::tasks::Task;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn batch_get_tasks(
        &self,
        request: Request<pb::BatchGetTasksRequest>,
    ) -> Answer<pb::BatchGetTasksResponse> {
        let caller = Caller::of(&request)?;
        let ids = requested_ids(&request.get_ref().task_ids)?;
        let found = self.get_batch(&caller, &ids).await?;
        let texts = |ids: Vec<Uuid>| ids.iter().map(ToString::to_string).collect();
        Ok(Response::new(pb::BatchGetTasksResponse {
            tasks: on_wire(found.tasks),
            missing_task_ids: texts(found.missing),
            remaining_task_ids: texts(found.remaining),
        }))
    }

    pub(crate) async fn batch_create_tasks(
        &self,
        request: Request<pb::BatchCreateTasksRequest>,
    ) -> Answer<pb::BatchCreateTasksResponse> {
        let caller = Caller::of(&request)?;
        let tasks = self.create_batch(&caller, request.into_inner()).await?;
        Ok(Response::new(pb::BatchCreateTasksResponse { tasks: on_wire(tasks) }))
    }

    pub(crate) async fn batch_update_tasks(
        &self,
        request: Request<pb::BatchUpdateTasksRequest>,
    ) -> Answer<pb::BatchUpdateTasksResponse> {
        let caller = Caller::of(&request)?;
        let tasks = self.update_batch(&caller, request.into_inner()).await?;
        Ok(Response::new(pb::BatchUpdateTasksResponse { tasks: on_wire(tasks) }))
    }

    pub(crate) async fn batch_delete_tasks(
        &self,
        request: Request<pb::BatchDeleteTasksRequest>,
    ) -> Answer<pb::BatchDeleteTasksResponse> {
        let caller = Caller::of(&request)?;
        self.delete_batch(&caller, request.into_inner()).await?;
        Ok(Response::new(pb::BatchDeleteTasksResponse {}))
    }
}

fn on_wire(tasks: Vec<Task>) -> Vec<pb::Task> {
    tasks.into_iter().map(Into::into).collect()
}
