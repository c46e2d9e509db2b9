//! Removal of a second factor by operators, for people who lost it.

use futures::try_join;
use proto::identity::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use tonic::{Request, Response, Status};

use super::queries;
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::sessions::Device;
use crate::{emails, users};

impl IdentityHandler {
    pub(crate) async fn remove_user_second_factor(
        &self,
        request: Request<pb::RemoveUserSecondFactorRequest>,
    ) -> Result<Response<pb::RemoveUserSecondFactorResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = users::parse_user_id(&request.into_inner().user_id)?;

        let tx = self.begin_background().await?;
        let (user, is_enabled) =
            try_join!(users::queries::lock(&tx, user_id), queries::is_enabled(&tx, user_id))?;
        let user = user.ok_or_else(|| Error::not_found("user", user_id))?;
        audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
        if is_enabled {
            let kind = emails::SECOND_FACTOR_REMOVED;
            let email = emails::second_factor(kind, user_id, &user.email, self.now());
            self.outbox.queue(&tx, &email)?;
        }
        let was_enabled = queries::delete(tx, user_id).await?;
        self.outbox.wake();

        Ok(Response::new(pb::RemoveUserSecondFactorResponse { was_enabled }))
    }
}
