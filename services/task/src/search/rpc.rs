//! The RPCs that find and count tasks.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::caller::Caller;
use shared::page::AfterRank;
use tonic::{Request, Response, Status};

use super::wire::Search;
use super::{MAX_MATCHES, TaskMatch, queries};
use crate::facets::{self, Facets};
use crate::handlers::Handlers;

impl Handlers {
    pub(crate) async fn search_tasks(
        &self,
        request: Request<pb::SearchTasksRequest>,
    ) -> Result<Response<pb::SearchTasksResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let search = Search::try_from(&request)?;
        let query = format!("SearchTasks {} {search:?}", caller.database_user());
        let page = self.context.pages.read::<AfterRank>(&query, request.page_size, &request.page_token)?;
        let size = page.size.min(MAX_MATCHES);
        let asked = (&search, page.after, size);
        let mut matches = self
            .look_in(&caller, search.filter.project_ids.as_deref(), &asked, |conn, (search, after, size)| {
                queries::search(conn, search, *after, *size).boxed()
            })
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
        let asked = facets::wire::GetFacets::try_from(request.into_inner())?;
        let counts = self
            .look_in(&caller, asked.filter.project_ids.as_deref(), &asked, |conn, asked| {
                facets::queries::count(conn, asked).boxed()
            })
            .await?;
        Ok(Response::new(Facets::of(counts)?.into()))
    }
}
