//! The method of the search.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::DocumentRead;
use shared::caller::Caller;
use shared::page::AfterRank;
use tonic::{Request, Response, Status};

use super::wire::SearchInput;
use super::{DocumentMatch, MAX_MATCHES, queries};
use crate::handler::ContentHandler;
use crate::page::to_page;

impl ContentHandler {
    pub(crate) async fn search_documents(
        &self,
        request: Request<pb::SearchDocumentsRequest>,
    ) -> Result<Response<pb::SearchDocumentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let input = SearchInput::try_from(request.into_inner())?;
        let query =
            format!("SearchDocuments {} {:?} {:?}", caller.database_user(), input.query, input.filter);
        let pages = &self.context.pages;
        let page = pages.read::<AfterRank>(&query, input.page_size, &input.page_token)?;
        let size = page.size.min(MAX_MATCHES);
        let projects = &input.filter.project_ids;
        let search = (&input, page.after);
        let rows = self.authorizer.read_in_projects(
            &caller,
            projects,
            DocumentRead,
            &search,
            |conn, (input, after)| queries::search(conn, input, *after, size).boxed(),
        );
        let rows = rows.await?;
        let shown = i64::try_from(rows.iter().filter(|row| row.is_shown).count()).unwrap_or(size);
        let position = |row: &DocumentMatch| AfterRank { rank: row.score, id: row.head.id };
        let (matches, next_page_token) = to_page(pages, &query, size.min(shown), rows, position)?;
        Ok(Response::new(pb::SearchDocumentsResponse { matches, next_page_token }))
    }
}
