//! User lookup for the other services, as the background role.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use proto::identity::backend::v1 as pb;
use shared::error::Error;
use shared::validation::{MAX_BATCH, Violations};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fields::MAX_USERNAME_CHARS;
use crate::handler::IdentityHandler;
use crate::schema::{UserStatus, lower, users};

impl IdentityHandler {
    pub(crate) async fn resolve_users(
        &self,
        request: Request<pb::ResolveUsersRequest>,
    ) -> Result<Response<pb::ResolveUsersResponse>, Status> {
        let ids = parse_ids(&request.into_inner().user_ids, 0)?;

        let tx = self.begin_background().await?;
        let found = find_statuses(&tx, &ids).await?;
        tx.finish();

        let user =
            |id: Uuid| Some(pb::ResolvedUser { id: id.to_string(), status: (*found.get(&id)?).into() });
        let users = ids.into_iter().filter_map(user).collect();
        Ok(Response::new(pb::ResolveUsersResponse { users }))
    }

    pub(crate) async fn resolve_usernames(
        &self,
        request: Request<pb::ResolveUsernamesRequest>,
    ) -> Result<Response<pb::ResolveUsernamesResponse>, Status> {
        let mut v = Violations::new();
        let names = request.into_inner().usernames;
        let names = v
            .items("usernames", names, MAX_BATCH, |v, name| v.text("usernames", name, 1, MAX_USERNAME_CHARS));
        v.finish()?;

        let tx = self.begin_background().await?;
        let found = find_active(&tx, names.iter().map(|name| name.to_lowercase()).collect()).await?;
        tx.finish();

        let user = |username: String| {
            let user_id = found.get(&username.to_lowercase())?.to_string();
            Some(pb::ResolvedUsername { username, user_id })
        };
        let users = names.into_iter().filter_map(user).collect();
        Ok(Response::new(pb::ResolveUsernamesResponse { users }))
    }

    pub(crate) async fn resolve_emails(
        &self,
        request: Request<pb::ResolveEmailsRequest>,
    ) -> Result<Response<pb::ResolveEmailsResponse>, Status> {
        let ids = parse_ids(&request.into_inner().user_ids, 0)?;

        let tx = self.begin_background().await?;
        let mut found = find_verified_emails(&tx, &ids).await?;
        tx.finish();

        let user = |id: Uuid| Some(pb::ResolvedEmail { user_id: id.to_string(), email: found.remove(&id)? });
        let users = ids.into_iter().filter_map(user).collect();
        Ok(Response::new(pb::ResolveEmailsResponse { users }))
    }
}

/// Parses the field `user_ids`: each id once, in the order of the request.
pub(super) fn parse_ids(values: &[String], min: usize) -> Result<Vec<Uuid>, Error> {
    let mut v = Violations::new();
    v.require(values.len() >= min, "user_ids", "must not be empty");
    let ids = v.uuids("user_ids", values, MAX_BATCH);
    v.finish()?;
    let mut seen = HashSet::new();
    Ok(ids.into_iter().filter(|id| seen.insert(*id)).collect())
}

/// The ids of active users, by their names in lower case.
async fn find_active(
    mut conn: &AsyncPgConnection,
    lower_case_names: Vec<String>,
) -> Result<HashMap<String, Uuid>, Error> {
    let select = users::table
        .filter(lower(users::username).eq_any(lower_case_names))
        .filter(users::status.eq(UserStatus::Active))
        .select((lower(users::username), users::id));
    let rows: Vec<(String, Uuid)> = select.load(&mut conn).await?;
    Ok(rows.into_iter().collect())
}

async fn find_statuses(
    mut conn: &AsyncPgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, UserStatus>, Error> {
    let select = users::table.filter(users::id.eq_any(ids)).select((users::id, users::status));
    let rows: Vec<(Uuid, UserStatus)> = select.load(&mut conn).await?;
    Ok(rows.into_iter().collect())
}

/// The verified addresses of active users.
async fn find_verified_emails(
    mut conn: &AsyncPgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>, Error> {
    let select = users::table
        .filter(users::id.eq_any(ids))
        .filter(users::status.eq(UserStatus::Active))
        .filter(users::email_verified)
        .select((users::id, users::email));
    let rows: Vec<(Uuid, String)> = select.load(&mut conn).await?;
    Ok(rows.into_iter().collect())
}
