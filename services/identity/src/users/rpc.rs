//! Users and their profiles.

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::etag;
use shared::service::ServiceContext;
use shared::validation::Violations;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{UserUpdate, fields, lookup, queries};
use crate::encryption::KeyRing;
use crate::profiles::{self, ProfileUpdate};

/// Serves `UserService`.
#[derive(Clone)]
pub struct UserApi {
    context: ServiceContext,
    keys: KeyRing,
}

impl UserApi {
    /// On this context, with personal data sealed under these keys.
    pub fn new(context: ServiceContext, keys: KeyRing) -> Self {
        Self { context, keys }
    }
}

fn user_id(text: &str) -> Result<Uuid, Error> {
    let mut v = Violations::new();
    let id = v.uuid("user_id", text);
    v.finish()?;
    Ok(id)
}

impl UserApi {
    pub(crate) async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let id = user_id(&request.into_inner().user_id)?;

        let tx = self.context.database.begin(&caller).await?;
        let user = queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
        tx.finish();

        Ok(Response::new(user.into_wire(&self.keys)?))
    }

    pub(crate) async fn lookup_user(
        &self,
        request: Request<pb::LookupUserRequest>,
    ) -> Result<Response<pb::UserSummary>, Status> {
        let caller = Caller::of(&request)?;
        let mut v = Violations::new();
        let username = fields::username(&mut v, "username", request.into_inner().username);
        v.finish()?;

        let tx = self.context.database.begin(&caller).await?;
        let user = queries::look_up(&tx, &username).await?;
        tx.finish();

        let user = user.ok_or_else(|| Error::not_found("user", username))?;
        Ok(Response::new(user.into_wire(&self.keys)?))
    }

    pub(crate) async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ids = lookup::ids(&request.into_inner().user_ids)?;

        let tx = self.context.database.begin(&caller).await?;
        let users = queries::look_up_all(&tx, &ids).await?;
        tx.finish();

        let users = users.into_iter().map(|user| user.into_wire(&self.keys)).collect::<Result<_, _>>()?;
        Ok(Response::new(pb::BatchGetUsersResponse { users }))
    }

    pub(crate) async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let UserUpdate { id, etag, change } = UserUpdate::of(request.into_inner(), &self.keys)?;
        let not_found = || Error::not_found("user", id);

        let tx = self.context.database.begin(&caller).await?;
        let user = queries::lock(&tx, id).await?.ok_or_else(not_found)?;
        etag::check(&etag, user.version)?;
        let Some(change) = change else { return Ok(Response::new(user.into_wire(&self.keys)?)) };
        let user = queries::change(tx, id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(user.into_wire(&self.keys)?))
    }

    pub(crate) async fn get_user_profile(
        &self,
        request: Request<pb::GetUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let id = user_id(&request.into_inner().user_id)?;

        let tx = self.context.database.begin(&caller).await?;
        let profile =
            profiles::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user_profile", id))?;
        tx.finish();

        Ok(Response::new(profile.into_wire(&self.keys)?))
    }

    pub(crate) async fn update_user_profile(
        &self,
        request: Request<pb::UpdateUserProfileRequest>,
    ) -> Result<Response<pb::UserProfile>, Status> {
        let caller = Caller::of(&request)?;
        let ProfileUpdate { user_id, etag, change } = ProfileUpdate::of(request.into_inner(), &self.keys)?;
        let not_found = || Error::not_found("user_profile", user_id);

        let tx = self.context.database.begin(&caller).await?;
        let profile = profiles::queries::lock(&tx, user_id).await?.ok_or_else(not_found)?;
        etag::check(&etag, profile.version)?;
        let Some(wish) = change else { return Ok(Response::new(profile.into_wire(&self.keys)?)) };
        let change = wish.on(&profile)?;
        let profile = profiles::queries::change(tx, user_id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(profile.into_wire(&self.keys)?))
    }
}
