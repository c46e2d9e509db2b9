//! `ListTaskHistory`, `GetTaskAt`, `ListTasksAt`.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, Permission};
use shared::caller::Caller;
use shared::change_log::Record;
use shared::error::Error;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use super::wire::{ListTaskHistoryInput, PointInTimeInput};
use crate::access_target;
use crate::feed::ChangedResource;
use crate::feed::wire::{event, past_task};
use crate::handler::TaskHandler;
use crate::tasks::Task;
use crate::tasks::queries::project_key;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn list_task_history(
        &self,
        request: Request<pb::ListTaskHistoryRequest>,
    ) -> Answer<pb::ListTaskHistoryResponse> {
        let caller = Caller::of(&request)?;
        let ListTaskHistoryInput { task_id, changed_at, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("ListTaskHistory {} {task_id} {changed_at:?}", caller.database_user());
        let page = self.context.pages.read::<i64>(&query, page_size, &page_token)?;
        let page_ref = &page;
        let target = access_target::logged_task(task_id);
        let read = self.authorizer.begin(&caller, &target, Permission::TaskRead, |conn| {
            let (after, size) = (page_ref.after, page_ref.size);
            queries::history(conn, task_id, changed_at, after, size).boxed()
        });
        let transaction = read.await?;
        let project_id = transaction.access.project_id;
        let (mut records, key, size) = transaction.finish();
        let position = |record: &Record| record.cursor.position;
        let next_page_token = self.context.pages.cut(&query, size, &mut records, position)?;
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            let changed = ChangedResource::of(record)?.map(|changed| changed.with_project_key(&key));
            events.extend(changed.map(|changed| event(record, project_id, changed)));
        }
        Ok(Response::new(pb::ListTaskHistoryResponse { events, next_page_token }))
    }

    pub(crate) async fn get_task_at(&self, request: Request<pb::GetTaskAtRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let input = PointInTimeInput::try_from(request.get_ref())?;
        let (id, at) = (input.id, input.at);
        let target = access_target::logged_task(id);
        let read = self
            .authorizer
            .begin(&caller, &target, Permission::TaskRead, |conn| queries::task_at(conn, id, at).boxed());
        let task = read.await?.finish().ok_or_else(|| Error::not_found("task", id))?;
        Ok(Response::new(past_task(task)))
    }

    pub(crate) async fn list_tasks_at(
        &self,
        request: Request<pb::ListTasksAtRequest>,
    ) -> Answer<pb::ListTasksAtResponse> {
        let caller = Caller::of(&request)?;
        let input = PointInTimeInput::try_from(request.get_ref())?;
        let query = format!("ListTasksAt {} {input:?}", caller.database_user());
        let pb::ListTasksAtRequest { page_size, page_token, .. } = request.into_inner();
        let page = self.context.pages.read::<Uuid>(&query, page_size, &page_token)?;
        let (project_id, at, after, size) = (input.id, input.at, page.after, page.size);
        let target = AccessTarget::project(project_id);
        let read = self.authorizer.begin(&caller, &target, Permission::TaskRead, |conn| {
            async move {
                try_join!(
                    queries::tasks_at(conn, (project_id, at), after, size),
                    project_key(conn, project_id)
                )
            }
            .boxed()
        });
        let ((mut tasks, size), key) = read.await?.finish();
        let next_page_token = self.context.pages.cut(&query, size, &mut tasks, |task: &Task| task.id)?;
        let tasks = tasks.into_iter().map(|task| past_task(Task { project_key: key.clone(), ..task }));
        Ok(Response::new(pb::ListTasksAtResponse { tasks: tasks.collect(), next_page_token }))
    }
}
