//! The method of the search.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::DocumentRead;
use shared::caller::Caller;
use shared::page::AfterRank;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};

use super::wire::SearchInput;
use super::{DocumentMatch, MAX_MATCHES, queries};
use crate::authorizer::{AccessTarget, Authorizer};

pub(crate) struct SearchHandler {
    context: ServiceContext,
    authorizer: Authorizer,
}

impl SearchHandler {
    pub(crate) fn new(context: ServiceContext, authorizer: Authorizer) -> Self {
        Self { context, authorizer }
    }

    pub(crate) async fn search_documents(
        &self,
        request: Request<pb::SearchDocumentsRequest>,
    ) -> Result<Response<pb::SearchDocumentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let input = SearchInput::try_from(&request)?;
        let query = format!("SearchDocuments {} {input:?}", caller.database_user());
        let page = self.context.pages.read::<AfterRank>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size.min(MAX_MATCHES), page.after);
        let mut rows = match input.project_id.map(AccessTarget::project) {
            Some(target) => self
                .authorizer
                .begin(&caller, target, DocumentRead, |conn| {
                    let input = input.clone();
                    async move { queries::search(conn, &input, after, size).await }.boxed()
                })
                .await?
                .finish(),
            None => {
                let tx = self.authorizer.begin_in_all_projects(&caller).await?;
                let rows = queries::search(&tx, &input, after, size).await?;
                tx.finish();
                rows
            }
        };
        let position = |row: &DocumentMatch| AfterRank { rank: row.rank, id: row.head.id };
        let next_page_token = self.context.pages.cut(&query, size, &mut rows, position)?;
        let matches = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::SearchDocumentsResponse { matches, next_page_token }))
    }
}
