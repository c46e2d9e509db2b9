//! The caller's own sessions.

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::page::AfterTime;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::queries::RevokeScope;
use super::{Device, queries};
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::users;

impl IdentityHandler {
    pub(crate) async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let current = caller.user()?.clone();
        let query = format!("sessions of {}", current.user_id);
        let request = request.into_inner();
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;

        let tx = self.begin(&caller).await?;
        let mut sessions = queries::list(&tx, self.now(), &page).await?;
        tx.finish();

        let next_page_token = self.context.pages.cut(&query, page.size, &mut sessions, |session| {
            AfterTime { at: session.created_at, id: session.id }
        })?;
        let sessions = sessions.into_iter().map(|session| session.into_wire(current.session_id)).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token }))
    }

    /// A session that has ended is not written again, but announced again, in case a crash prevented it the first time.
    pub(crate) async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::Session>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let (current, user_id) = (caller.user()?.session_id, caller.user()?.user_id);
        let mut v = Violations::new();
        let id = v.uuid("session_id", &request.into_inner().session_id);
        v.finish()?;
        let not_found = move || Error::not_found("session", id);
        let event =
            Event::new(Kind::SessionRevoked, user_id).by(&caller).from(&device).with("session_id", id);

        let tx = self.begin(&caller).await?;
        let found = queries::find(&tx, id).await?.ok_or_else(not_found)?;
        let revoke = async move {
            let (session, hash) = if found.0.is_active {
                audit::append(&tx, &event)?;
                queries::revoke(tx, id).await?.ok_or_else(not_found)?
            } else {
                tx.finish();
                found
            };
            Ok((session, vec![hash]))
        };

        let session = self.revocations.announce_after(revoke).await?;
        Ok(Response::new(session.into_wire(current)))
    }

    /// Sessions that had ended before are announced again as well, for the same reason.
    pub(crate) async fn revoke_other_sessions(
        &self,
        request: Request<pb::RevokeOtherSessionsRequest>,
    ) -> Result<Response<pb::RevokeOtherSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (kept, user_id) = (caller.user()?.session_id, caller.user()?.user_id);
        let event = Event::new(Kind::OtherSessionsRevoked, user_id).by(&caller).from(&Device::of(&request));

        let tx = self.begin(&caller).await?;
        users::queries::send_lock(&tx, user_id)?;
        audit::append(&tx, &event)?;
        let revoke = queries::revoke_all(tx, RevokeScope::OtherSessions(kept), self.now());
        let revoked = self.revocations.announce_after(revoke).await?;

        let revoked_count = i32::try_from(revoked).unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeOtherSessionsResponse { revoked_count }))
    }

    pub(crate) async fn revoke_all_sessions(
        &self,
        request: Request<pb::RevokeAllSessionsRequest>,
    ) -> Result<Response<pb::RevokeAllSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let event = Event::new(Kind::AllSessionsRevoked, user_id).by(&caller).from(&Device::of(&request));

        let tx = self.begin(&caller).await?;
        users::queries::send_lock(&tx, user_id)?;
        audit::append(&tx, &event)?;
        let revoke = queries::revoke_all(tx, RevokeScope::Sessions, self.now());
        let revoked = self.revocations.announce_after(revoke).await?;

        let revoked_count = i32::try_from(revoked).unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeAllSessionsResponse { revoked_count }))
    }
}
