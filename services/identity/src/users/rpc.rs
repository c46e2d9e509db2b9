//! Users.

use std::sync::Arc;

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::etag;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::{UpdateUserInput, fields, lookup, parse_user_id, queries};
use crate::identity::Identity;

pub struct UserHandler(pub(crate) Arc<Identity>);

impl UserHandler {
    pub(crate) async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_user_id(&request.into_inner().user_id)?;

        let tx = self.0.begin(&caller).await?;
        let user = queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
        tx.finish();

        Ok(Response::new(user.into_wire(&self.0.keys)?))
    }

    pub(crate) async fn lookup_user(
        &self,
        request: Request<pb::LookupUserRequest>,
    ) -> Result<Response<pb::UserSummary>, Status> {
        let caller = Caller::of(&request)?;
        let mut v = Violations::new();
        let username = fields::username(&mut v, "username", request.into_inner().username);
        v.finish()?;

        let tx = self.0.begin(&caller).await?;
        let user = queries::look_up(&tx, &username).await?;
        tx.finish();

        let user = user.ok_or_else(|| Error::not_found("user", username))?;
        Ok(Response::new(user.into_wire(&self.0.keys)?))
    }

    pub(crate) async fn batch_get_users(
        &self,
        request: Request<pb::BatchGetUsersRequest>,
    ) -> Result<Response<pb::BatchGetUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ids = lookup::parse_ids(&request.into_inner().user_ids)?;

        let tx = self.0.begin(&caller).await?;
        let users = queries::look_up_all(&tx, &ids).await?;
        tx.finish();

        let users = users.into_iter().map(|user| user.into_wire(&self.0.keys)).collect::<Result<_, _>>()?;
        Ok(Response::new(pb::BatchGetUsersResponse { users }))
    }

    pub(crate) async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let UpdateUserInput { id, etag, change } = UpdateUserInput::of(request.into_inner(), &self.0.keys)?;
        let not_found = || Error::not_found("user", id);

        let tx = self.0.begin(&caller).await?;
        let user = queries::lock(&tx, id).await?.ok_or_else(not_found)?;
        etag::check(&etag, user.version)?;
        let Some(change) = change else { return Ok(Response::new(user.into_wire(&self.0.keys)?)) };
        let user = queries::update(tx, id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(user.into_wire(&self.0.keys)?))
    }
}
