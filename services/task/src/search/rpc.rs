//! `SearchTasks` and `GetTaskFacets`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::caller::Caller;
use shared::page::AfterRank;
use tonic::{Request, Response, Status};

use super::wire::SearchTasksInput;
use super::{MAX_MATCHES, TaskMatch, queries};
use crate::facets::{self, Facets};
use crate::handler::TaskHandler;

impl TaskHandler {
    pub(crate) async fn search_tasks(
        &self,
        request: Request<pb::SearchTasksRequest>,
    ) -> Result<Response<pb::SearchTasksResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let search = SearchTasksInput::try_from(&request)?;
        let query = format!("SearchTasks {} {search:?}", caller.database_user());
        let page = self.context.pages.read::<AfterRank>(&query, request.page_size, &request.page_token)?;
        let size = page.size.min(MAX_MATCHES);
        let input = (&search, page.after, size);
        let mut matches = self
            .read_in_projects(
                &caller,
                search.filter.project_ids.as_deref(),
                &input,
                |conn, (search, after, size)| queries::search(conn, search, *after, *size).boxed(),
            )
            .await?;
        let position = |found: &TaskMatch| AfterRank { rank: found.relevance, id: found.task.id };
        let next_page_token = self.context.pages.cut(&query, size, &mut matches, position)?;
        let matches = matches.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::SearchTasksResponse { matches, next_page_token }))
    }

    pub(crate) async fn get_task_facets(
        &self,
        request: Request<pb::GetTaskFacetsRequest>,
    ) -> Result<Response<pb::TaskFacets>, Status> {
        let caller = Caller::of(&request)?;
        let input = facets::wire::GetTaskFacetsInput::try_from(request.into_inner())?;
        let counts = self
            .read_in_projects(&caller, input.filter.project_ids.as_deref(), &input, |conn, input| {
                facets::queries::count(conn, input).boxed()
            })
            .await?;
        Ok(Response::new(Facets::of(counts)?.into()))
    }
}
