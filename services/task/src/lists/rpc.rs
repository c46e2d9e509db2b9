//! `ListTasks`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::Result;

use super::wire::ListTasksInput;
use super::{AfterTask, queries};
use crate::handler::TaskHandler;
use crate::tasks::queries::{SizedTask, fitting};

impl TaskHandler {
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        request: pb::ListTasksRequest,
    ) -> Result<pb::ListTasksResponse> {
        let ListTasksInput { filter, order, page_size, page_token } = request.try_into()?;
        let page_query = format!("ListTasks {} {filter:?} {order:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTask>(&page_query, page_size, &page_token)?;
        let input = (&filter, order, &page);
        let mut rows = self
            .authorizer
            .read_in_projects(
                caller,
                filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, (filter, order, page)| queries::list(conn, filter, *order, page).boxed(),
            )
            .await?;
        let size = page.size.min(fitting(&rows, |row| row.bytes));
        let position = |row: &SizedTask| order.position(&row.task);
        let next_page_token = self.context.pages.cut(&page_query, size, &mut rows, position)?;
        let tasks = rows.into_iter().map(|row| row.task.into()).collect();
        Ok(pb::ListTasksResponse { tasks, next_page_token })
    }
}
