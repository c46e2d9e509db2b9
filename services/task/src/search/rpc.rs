//! `SearchTasks`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::page::AfterRank;
use tonic::{Request, Response, Status};

use super::wire::SearchTasksInput;
use super::{MAX_MATCHES, TaskMatch, queries};
use crate::handler::TaskHandler;
use crate::tasks::queries::fitting;

impl TaskHandler {
    pub(crate) async fn search_tasks(
        &self,
        request: Request<pb::SearchTasksRequest>,
    ) -> Result<Response<pb::SearchTasksResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let search = SearchTasksInput::try_from(&request)?;
        let page_query = format!("SearchTasks {} {search:?}", caller.database_user());
        let page =
            self.context.pages.read::<AfterRank>(&page_query, request.page_size, &request.page_token)?;
        let size = page.size.min(MAX_MATCHES);
        let input = (&search, page.after, size);
        let mut matches = self
            .authorizer
            .read_in_projects(
                &caller,
                search.filter.project_ids.as_deref().unwrap_or_default(),
                Permission::TaskRead,
                &input,
                |conn, (search, after, size)| queries::search(conn, search, *after, *size).boxed(),
            )
            .await?;
        let position = |found: &TaskMatch| AfterRank { rank: found.score, id: found.task.id };
        let size = size.min(fitting(&matches, |row| row.bytes));
        let next_page_token = self.context.pages.cut(&page_query, size, &mut matches, position)?;
        let matches = matches.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::SearchTasksResponse { matches, next_page_token }))
    }
}
