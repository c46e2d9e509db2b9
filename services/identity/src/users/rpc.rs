//! Users.

use std::collections::HashMap;

use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::error::Error;
use shared::etag;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::{UpdateUserInput, fields, lookup, parse_user_id_or_own, queries};
use crate::handler::IdentityHandler;

impl IdentityHandler {
    pub(crate) async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let id = parse_user_id_or_own(&request.into_inner().user_id, &caller)?;

        let user = self.user_reads.read(&caller, id).await?;
        let user = user.ok_or_else(|| Error::not_found("user", id))?;

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

        let tx = self.begin(&caller).await?;
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
        let ids = lookup::parse_ids(&request.into_inner().user_ids, 1)?;

        let tx = self.begin(&caller).await?;
        let found = queries::look_up_all(&tx, &ids).await?;
        tx.finish();

        let mut found: HashMap<_, _> = found.into_iter().map(|user| (user.id, user)).collect();
        let (mut users, mut missing_user_ids) = (Vec::with_capacity(found.len()), Vec::new());
        for id in ids {
            match found.remove(&id) {
                Some(user) => users.push(user.into_wire(&self.keys)?),
                None => missing_user_ids.push(id.to_string()),
            }
        }
        Ok(Response::new(pb::BatchGetUsersResponse { users, missing_user_ids }))
    }

    pub(crate) async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::User>, Status> {
        let caller = Caller::of(&request)?;
        let own_id = caller.user()?.user_id;
        let input = UpdateUserInput::parse(request.into_inner(), own_id, &self.keys)?;
        let id = input.id;
        let not_found = || Error::not_found("user", id);

        let tx = self.begin(&caller).await?;
        let user = queries::lock(&tx, id).await?.ok_or_else(not_found)?;
        etag::check(&input.etag, user.version)?;
        if !input.has_changes {
            return Ok(Response::new(user.into_wire(&self.keys)?));
        }
        let change = input.change_of(&user)?;
        let user = queries::update(tx, id, change).await?.ok_or_else(not_found)?;

        Ok(Response::new(user.into_wire(&self.keys)?))
    }
}
