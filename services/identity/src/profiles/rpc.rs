//! The caller's own profile.

use std::sync::Arc;

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::etag;
use tonic::{Request, Response, Status};

use super::{UpdateProfileInput, queries};
use crate::identity::Identity;
use crate::users::parse_user_id;

pub struct ProfileHandler(pub(crate) Arc<Identity>);

impl ProfileHandler {
    pub(crate) async fn get_user_profile(
        &self,
        request: Request<pb::GetUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_user_id(&request.into_inner().user_id)?;

        let tx = self.0.begin(&caller).await?;
        let profile = queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user_profile", id))?;
        tx.finish();

        Ok(Response::new(profile.into_wire(&self.0.keys)?))
    }

    pub(crate) async fn update_user_profile(
        &self,
        request: Request<pb::UpdateUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let UpdateProfileInput { user_id, etag, change } =
            UpdateProfileInput::of(request.into_inner(), &self.0.keys)?;
        let not_found = || Error::not_found("user_profile", user_id);

        let tx = self.0.begin(&caller).await?;
        let profile = queries::lock(&tx, user_id).await?.ok_or_else(not_found)?;
        etag::check(&etag, profile.version)?;
        let Some(patch) = change else { return Ok(Response::new(profile.into_wire(&self.0.keys)?)) };
        let change = patch.apply_to(&profile)?;
        let profile = queries::update(tx, user_id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(profile.into_wire(&self.0.keys)?))
    }
}
