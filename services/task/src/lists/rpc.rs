//! The list of tasks, and the way into the projects that a filter names.

use diesel_async::AsyncPgConnection;
use futures::FutureExt;
use futures::future::{BoxFuture, try_join, try_join_all};
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::wire::ListTasks;
use super::{AfterTask, queries};
use crate::handlers::Handlers;
use crate::place::Place;

impl Handlers {
    /// A page of tasks.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        request: pb::ListTasksRequest,
    ) -> Result<pb::ListTasksResponse> {
        let ListTasks { filter, order, page_size, page_token } = request.try_into()?;
        let query = format!("ListTasks {} {filter:?} {order:?}", caller.database_user());
        let page = self.context.pages.read::<AfterTask>(&query, page_size, &page_token)?;
        let asked = (&filter, order, &page);
        let mut tasks = self
            .look_in(caller, filter.project_ids.as_deref(), &asked, |conn, (filter, order, page)| {
                queries::list(conn, filter, *order, page).boxed()
            })
            .await?;
        let next_page_token =
            self.context.pages.cut(&query, page.size, &mut tasks, |task| order.position(task))?;
        let tasks = tasks.into_iter().map(Into::into).collect();
        Ok(pb::ListTasksResponse { tasks, next_page_token })
    }

    /// Looks in these projects, each of which the caller may read, or in all that they may read. Of projects one can
    /// ask whether access has changed; of all one has to know.
    pub(crate) async fn look_in<Q: Sync, T: Send>(
        &self,
        caller: &Caller,
        projects: Option<&[Uuid]>,
        asked: &Q,
        look: impl for<'c> Fn(&'c AsyncPgConnection, &'c Q) -> BoxFuture<'c, Result<T>> + Send + Sync,
    ) -> Result<T> {
        let Some(projects) = projects else {
            if !self.copies.is_trusted() {
                return Err(Error::unavailable("project", "the copy of memberships may be outdated"));
            }
            let tx = self.context.database.begin(caller).await?;
            let found = look(&tx, asked).await?;
            tx.finish();
            return Ok(found);
        };
        let places: Vec<Place> = projects.iter().map(|project| Place::Project(*project)).collect();
        let enter = async || {
            let tx = self.context.database.begin(caller).await?;
            let access = try_join_all(places.iter().map(|place| place.access(&tx, caller.database_user())));
            let (access, found) = try_join(access, look(&tx, asked)).await?;
            for access in access {
                access.require(Permission::TaskRead)?;
            }
            tx.finish();
            Ok(found)
        };
        self.fresh(&places, || enter().boxed()).await
    }
}
