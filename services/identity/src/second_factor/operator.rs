//! Help for people who lost their second factor, by operators, as the background role.

use futures::try_join;
use proto::identity::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::mail::Outbox;
use shared::service::ServiceContext;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::queries;
use crate::audit::{self, Event, Kind};
use crate::sessions::Device;
use crate::{emails, users};

/// Serves `SecondFactorAdminService`.
pub struct SecondFactorAdminApi {
    /// What it stands on.
    pub context: ServiceContext,
    /// Letters.
    pub outbox: Outbox,
}

impl SecondFactorAdminApi {
    pub(crate) async fn remove_user_second_factor(
        &self,
        request: Request<pb::RemoveUserSecondFactorRequest>,
    ) -> Result<Response<pb::RemoveUserSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        caller.operator()?;
        let device = Device::of(&request);
        let mut v = Violations::new();
        let user_id = v.uuid("user_id", &request.into_inner().user_id);
        v.finish()?;

        let tx = self.context.worker.begin_background().await?;
        let (user, is_on) = try_join!(users::queries::lock(&tx, user_id), queries::is_on(&tx, user_id))?;
        let user = user.ok_or_else(|| Error::not_found("user", user_id))?;
        audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
        if is_on {
            let now = self.context.clock.now();
            let told = emails::second_factor(emails::SECOND_FACTOR_REMOVED, user_id, &user.email, now);
            self.outbox.queue(&tx, &told)?;
        }
        let was_enabled = queries::remove(tx, user_id).await?;
        self.outbox.wake();

        Ok(Response::new(pb::RemoveUserSecondFactorResponse { was_enabled }))
    }
}
