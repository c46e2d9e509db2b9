//! The method that finds documents.

use futures::FutureExt;
use proto::content::v1 as pb;
use shared::access::Permission::DocumentRead;
use shared::caller::Caller;
use shared::page::AfterRank;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};

use super::wire::Search;
use super::{DocumentMatch, MAX_MATCHES, queries};
use crate::entrance::{Entrance, Place};

/// The search.
pub struct Searching {
    context: ServiceContext,
    entrance: Entrance,
}

impl Searching {
    pub fn new(context: ServiceContext, entrance: Entrance) -> Self {
        Self { context, entrance }
    }
}

impl Searching {
    pub(crate) async fn search_documents(
        &self,
        request: Request<pb::SearchDocumentsRequest>,
    ) -> Result<Response<pb::SearchDocumentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let search = Search::try_from(&request)?;
        let query = format!("SearchDocuments {} {search:?}", caller.database_user());
        let page = self.context.pages.read::<AfterRank>(&query, request.page_size, &request.page_token)?;
        let (size, after) = (page.size.min(MAX_MATCHES), page.after);
        let mut rows = match search.project_id.map(Place::project) {
            Some(place) => self
                .entrance
                .enter(&caller, place, DocumentRead, |conn| {
                    let search = search.clone();
                    async move { queries::search(conn, &search, after, size).await }.boxed()
                })
                .await?
                .finish(),
            None => {
                let tx = self.entrance.enter_everywhere(&caller).await?;
                let rows = queries::search(&tx, &search, after, size).await?;
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
