//! `ListTaskHistory`, `GetTaskAt`, `ListTasksAt`.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::Error;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use super::wire::PointInTimeInput;
use crate::access_target::AccessTarget;
use crate::feed::Changed;
use crate::feed::wire::{event, past_task};
use crate::handler::TaskHandler;
use crate::tasks::Task;
use crate::tasks::wire::required_id;

type Answer<T> = Result<Response<T>, Status>;

impl TaskHandler {
    pub(crate) async fn list_task_history(
        &self,
        request: Request<pb::ListTaskHistoryRequest>,
    ) -> Answer<pb::ListTaskHistoryResponse> {
        let caller = Caller::of(&request)?;
        let pb::ListTaskHistoryRequest { task_id, page_size, page_token } = request.into_inner();
        let id = required_id("task_id", &task_id)?;
        let query = format!("ListTaskHistory {} {id}", caller.database_user());
        let page = self.context.pages.read::<i64>(&query, page_size, &page_token)?;
        let target = AccessTarget::LoggedTask(id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, records) =
                try_join!(target.access(&tx, caller.database_user()), queries::history(&tx, id, &page))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(records)
        };
        let mut records = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        let position = |record: &shared::change_log::Record| record.cursor.position;
        let next_page_token = self.context.pages.cut(&query, page.size, &mut records, position)?;
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            events.extend(Changed::of(record)?.map(|changed| event(record, changed)));
        }
        Ok(Response::new(pb::ListTaskHistoryResponse { events, next_page_token }))
    }

    pub(crate) async fn get_task_at(&self, request: Request<pb::GetTaskAtRequest>) -> Answer<pb::Task> {
        let caller = Caller::of(&request)?;
        let past = PointInTimeInput::try_from(request.get_ref())?;
        let target = AccessTarget::LoggedTask(past.id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, task) =
                try_join!(target.access(&tx, caller.database_user()), queries::task_at(&tx, &past))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(task)
        };
        let task = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        let task = task.ok_or_else(|| Error::not_found("task", past.id))?;
        Ok(Response::new(past_task(task)))
    }

    pub(crate) async fn list_tasks_at(
        &self,
        request: Request<pb::ListTasksAtRequest>,
    ) -> Answer<pb::ListTasksAtResponse> {
        let caller = Caller::of(&request)?;
        let past = PointInTimeInput::try_from(request.get_ref())?;
        let query = format!("ListTasksAt {} {past:?}", caller.database_user());
        let pb::ListTasksAtRequest { page_size, page_token, .. } = request.into_inner();
        let page = self.context.pages.read::<Uuid>(&query, page_size, &page_token)?;
        let target = AccessTarget::Project(past.id);
        let attempt = async || {
            let tx = self.context.database.begin(&caller).await?;
            let (access, tasks) =
                try_join!(target.access(&tx, caller.database_user()), queries::tasks_at(&tx, &past, &page))?;
            access.require(Permission::TaskRead)?;
            tx.finish();
            Ok(tasks)
        };
        let mut tasks = self.retry_with_refreshed_access(&[target], || attempt().boxed()).await?;
        let next_page_token = self.context.pages.cut(&query, page.size, &mut tasks, |task: &Task| task.id)?;
        let tasks = tasks.into_iter().map(past_task).collect();
        Ok(Response::new(pb::ListTasksAtResponse { tasks, next_page_token }))
    }
}
