//! Help for people who lost their second factor, by operators, as the background role.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::caller::Caller;
use shared::database::Database;
use shared::error::{Error, Result};
use shared::proto::identity::internal::v1 as pb;
use shared::proto::identity::internal::v1::second_factor_admin_service_server::SecondFactorAdminService;
use shared::schema::identity::users;
use shared::validation::Violations;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use crate::audit::{self, Event, Kind};
use crate::sessions::Device;

/// Serves `SecondFactorAdminService`.
pub struct SecondFactorAdminApi(pub Database);

#[tonic::async_trait]
impl SecondFactorAdminService for SecondFactorAdminApi {
    async fn remove_user_second_factor(
        &self,
        request: Request<pb::RemoveUserSecondFactorRequest>,
    ) -> Result<Response<pb::RemoveUserSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        caller.operator()?;
        let device = Device::of(&request);
        let mut v = Violations::new();
        let user_id = v.uuid("user_id", &request.into_inner().user_id);
        v.finish()?;

        let tx = self.0.begin_background().await?;
        check_exists(&tx, user_id).await?;
        audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
        let was_on = queries::remove(tx, user_id).await?;

        Ok(Response::new(pb::RemoveUserSecondFactorResponse { was_on }))
    }
}

async fn check_exists(mut conn: &AsyncPgConnection, user_id: Uuid) -> Result<()> {
    let found: Option<Uuid> =
        users::table.find(user_id).select(users::id).first(&mut conn).await.optional()?;
    found.map(drop).ok_or_else(|| Error::not_found("user", user_id))
}
