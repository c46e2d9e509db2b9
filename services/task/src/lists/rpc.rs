//! `ListTasks`, and queries in the projects that a filter names.

use diesel_async::AsyncPgConnection;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join, try_join_all};
use proto::task::v1 as pb;
use shared::access::{AccessTarget, Permission};
use shared::caller::Caller;
use shared::error::Result;
use uuid::Uuid;

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
            .read_in_projects(caller, filter.project_ids.as_deref(), &input, |conn, (filter, order, page)| {
                queries::list(conn, filter, *order, page).boxed()
            })
            .await?;
        let size = page.size.min(fitting(&rows, |row| row.bytes));
        let position = |row: &SizedTask| order.position(&row.task);
        let next_page_token = self.context.pages.cut(&page_query, size, &mut rows, position)?;
        let tasks = rows.into_iter().map(|row| row.task.into()).collect();
        Ok(pb::ListTasksResponse { tasks, next_page_token })
    }

    /// Runs a query in these projects, all of which the caller must be allowed to read, or in all that the caller may
    /// read. The access to named projects can be refreshed; for all projects the copy must be trusted.
    pub(crate) async fn read_in_projects<Q: Sync, T: Send>(
        &self,
        caller: &Caller,
        projects: Option<&[Uuid]>,
        input: &Q,
        query: impl for<'c> Fn(&'c AsyncPgConnection, &'c Q) -> BoxFuture<'c, Result<T>> + Send + Sync,
    ) -> Result<T> {
        let Some(projects) = projects else {
            let tx = self.authorizer.begin_in_all_projects(caller).await?;
            let found = query(&tx, input).await?;
            tx.finish();
            return Ok(found);
        };
        let targets: Vec<AccessTarget> = projects.iter().copied().map(AccessTarget::project).collect();
        let attempt = async || {
            let tx = self.context.database.begin(caller).await?;
            if let [project_id] = projects {
                tx.read_in_project(*project_id)?;
            }
            let access =
                try_join_all(targets.iter().map(|target| self.authorizer.access(&tx, caller, target)));
            let (access, found) = try_join(access, query(&tx, input)).await?;
            for access in access {
                access.require(Permission::TaskRead)?;
            }
            tx.finish();
            Ok(found)
        };
        self.authorizer.retry_with_refreshed_access(&targets, || attempt().boxed()).await
    }
}
