//! Security events, for their users and for operators.

use proto::identity::admin::v1 as admin;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::Transaction;
use shared::page::{AfterTime, PageTokens};
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::queries::{self, EventFilter};
use crate::handler::IdentityHandler;

type Page = (Vec<pb::SecurityEvent>, String);

async fn list(
    tx: Transaction,
    pages: &PageTokens,
    filter: EventFilter,
    query: &str,
    (page_size, page_token): (i32, &str),
) -> Result<Page, Status> {
    let page = pages.read::<AfterTime>(query, page_size, page_token)?;
    let mut events = queries::list(&tx, &filter, &page).await?;
    tx.finish();
    let next = pages.cut(query, page.size, &mut events, |event| AfterTime { at: event.at, id: event.id })?;
    let events = events.into_iter().map(pb::SecurityEvent::try_from).collect::<Result<_, _>>()?;
    Ok((events, next))
}

impl IdentityHandler {
    pub(crate) async fn list_security_events(
        &self,
        request: Request<pb::ListSecurityEventsRequest>,
    ) -> Result<Response<pb::ListSecurityEventsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let request = request.into_inner();
        let filter = EventFilter::read(Violations::new(), request.filter, Some(user_id), request.page_size)?;
        let query = format!("security events of {user_id}: {filter:?}");
        let page = (request.page_size, request.page_token.as_str());

        let tx = self.begin(&caller).await?;
        let (events, next_page_token) = list(tx, &self.context.pages, filter, &query, page).await?;

        Ok(Response::new(pb::ListSecurityEventsResponse { events, next_page_token }))
    }
}

impl IdentityHandler {
    pub(crate) async fn list_all_security_events(
        &self,
        request: Request<admin::ListSecurityEventsRequest>,
    ) -> Result<Response<admin::ListSecurityEventsResponse>, Status> {
        let request = request.into_inner();
        let mut v = Violations::new();
        let user_id = v.optional_uuid("user_id", &request.user_id);
        let filter = EventFilter::read(v, request.filter, user_id, request.page_size)?;
        let query = format!("security events for operators: {filter:?}");
        let page = (request.page_size, request.page_token.as_str());

        let tx = self.begin_background().await?;
        let (events, next_page_token) = list(tx, &self.context.pages, filter, &query, page).await?;

        Ok(Response::new(admin::ListSecurityEventsResponse { events, next_page_token }))
    }
}
