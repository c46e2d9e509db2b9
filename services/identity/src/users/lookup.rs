//! User lookup for the other services, as the background role.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use proto::identity::backend::v1 as pb;
use shared::error::Error;
use shared::validation::{MAX_BATCH, Violations};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::identity::Identity;
use crate::schema::{UserStatus, users};

pub struct UserLookupHandler(pub(crate) Arc<Identity>);

impl UserLookupHandler {
    pub(crate) async fn resolve_users(
        &self,
        request: Request<pb::ResolveUsersRequest>,
    ) -> Result<Response<pb::ResolveUsersResponse>, Status> {
        let ids = parse_ids(&request.into_inner().user_ids)?;

        let tx = self.0.begin_background().await?;
        let found = find(&tx, &ids).await?;
        tx.finish();

        let users = found
            .into_iter()
            .map(|(id, status)| pb::ResolvedUser { id: id.to_string(), status: status.into() });
        Ok(Response::new(pb::ResolveUsersResponse { users: users.collect() }))
    }
}

/// Parses the field `user_ids`.
pub(super) fn parse_ids(values: &[String]) -> Result<Vec<Uuid>, Error> {
    let mut v = Violations::new();
    v.at_most("user_ids", values.len(), MAX_BATCH);
    let ids = values.iter().take(MAX_BATCH).map(|value| v.uuid("user_ids", value)).collect();
    v.finish()?;
    Ok(ids)
}

async fn find(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, UserStatus)>, Error> {
    let select = users::table.filter(users::id.eq_any(ids)).select((users::id, users::status));
    Ok(select.load(&mut conn).await?)
}
