//! The caller's own profile.

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::etag;
use tonic::{Request, Response, Status};

use super::{UpdateProfileInput, queries};
use crate::handler::IdentityHandler;
use crate::users::parse_user_id_or_own;

impl IdentityHandler {
    pub(crate) async fn get_user_profile(
        &self,
        request: Request<pb::GetUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_user_id_or_own(&request.into_inner().user_id, &caller)?;

        let tx = self.begin(&caller).await?;
        let profile = queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user_profile", id))?;
        tx.finish();

        Ok(Response::new(profile.into_wire(&self.keys)?))
    }

    pub(crate) async fn update_user_profile(
        &self,
        request: Request<pb::UpdateUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let own_id = caller.user()?.user_id;
        let input = UpdateProfileInput::parse(request.into_inner(), own_id, &self.keys)?;
        let user_id = input.user_id;
        let not_found = || Error::not_found("user_profile", user_id);

        let tx = self.begin(&caller).await?;
        let profile = queries::lock(&tx, user_id).await?.ok_or_else(not_found)?;
        etag::check(&input.etag, profile.version)?;
        if !input.has_changes {
            return Ok(Response::new(profile.into_wire(&self.keys)?));
        }
        let change = input.change_of(&profile)?;
        let profile = queries::update(tx, user_id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(profile.into_wire(&self.keys)?))
    }
}
