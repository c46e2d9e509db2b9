//! Export of users in the format of the import, as the background role. Without password hashes: no role may select them.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::stream::BoxStream;
use proto::identity::admin::v1 as pb;
use shared::caller::Caller;
use shared::error::Result;
use shared::export::{ExportSender, Snapshot, id_condition, parse_ids};
use shared::json::{to_struct, to_timestamp};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::User;
use crate::encryption::{AssociatedData, FIRST_NAME, KeyRing, LAST_NAME, LOCATION};
use crate::handler::IdentityHandler;
use crate::profiles::Profile;
use crate::schema::{user_profiles, users};

impl IdentityHandler {
    pub(crate) async fn export_users(
        &self,
        request: Request<pb::ExportUsersRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ExportUsersResponse, Status>>>, Status> {
        let caller = Caller::of(&request)?;
        let wanted = parse_ids("user_ids", &request.into_inner().user_ids)?;
        let handler = self.clone();
        let export = move |snapshot, sender| send(snapshot, sender, wanted, handler);
        Ok(Response::new(self.exports.stream(&caller, export)?))
    }
}

async fn send(
    snapshot: Snapshot,
    sender: ExportSender<pb::ExportUsersResponse>,
    wanted: Vec<Uuid>,
    handler: IdentityHandler,
) -> Result<()> {
    let mut rows = snapshot.rows("users", &ids_with_sizes(&wanted)).await?;
    while let Some(ids) = rows.next().await? {
        let mut profiles = find_profiles(&snapshot, &ids).await?;
        let users = find_users(&snapshot, &ids).await?.into_iter().map(|user| {
            let profile = profiles.remove(&user.id);
            imported(user, profile, &handler.keys)
        });
        let users = users.collect::<Result<_>>()?;
        sender.send(pb::ExportUsersResponse { users }).await?;
    }
    Ok(())
}

/// The ids of users with their approximate sizes in a message. JSON takes up to four times its text.
fn ids_with_sizes(wanted: &[Uuid]) -> String {
    format!(
        "SELECT u.id, (2000 + octet_length(coalesce(u.avatar_url, '')) + octet_length(coalesce(p.bio, '')) \
             + octet_length(coalesce(p.website_url, '')) + 4 * (octet_length(u.metadata::text) \
             + coalesce(octet_length(p.social_links::text) + octet_length(p.preferences::text), 0)))::bigint AS size \
         FROM identity.users u LEFT JOIN identity.user_profiles p ON p.user_id = u.id WHERE {} ORDER BY u.id",
        id_condition("u.id", wanted)
    )
}

async fn find_users(mut conn: &AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<User>> {
    let query = users::table.filter(users::id.eq_any(ids)).order(users::id).select(User::as_select());
    Ok(query.load(&mut conn).await?)
}

async fn find_profiles(mut conn: &AsyncPgConnection, user_ids: &[Uuid]) -> Result<HashMap<Uuid, Profile>> {
    let query =
        user_profiles::table.filter(user_profiles::user_id.eq_any(user_ids)).select(Profile::as_select());
    let profiles: Vec<Profile> = query.load(&mut conn).await?;
    Ok(profiles.into_iter().map(|profile| (profile.user_id, profile)).collect())
}

fn imported(user: User, profile: Option<Profile>, keys: &KeyRing) -> Result<pb::ImportedUser> {
    Ok(pb::ImportedUser {
        line: 0,
        id: user.id.to_string(),
        email: user.email,
        username: user.username,
        first_name: keys
            .decrypt_optional(AssociatedData::new(FIRST_NAME, user.id), user.first_name.as_ref())?,
        last_name: keys.decrypt_optional(AssociatedData::new(LAST_NAME, user.id), user.last_name.as_ref())?,
        created_at: Some(to_timestamp(user.created_at)),
        password_hash: None,
        avatar_url: user.avatar_url,
        email_verified: user.email_verified,
        status: user.status.into(),
        updated_at: Some(to_timestamp(user.updated_at)),
        last_login_at: user.last_login_at.map(to_timestamp),
        metadata: Some(to_struct(&user.metadata)),
        profile: profile.map(|profile| imported_profile(profile, keys)).transpose()?,
    })
}

fn imported_profile(profile: Profile, keys: &KeyRing) -> Result<pb::ImportedUserProfile> {
    Ok(pb::ImportedUserProfile {
        bio: profile.bio,
        location: keys
            .decrypt_optional(AssociatedData::new(LOCATION, profile.user_id), profile.location.as_ref())?,
        website_url: profile.website_url,
        social_links: Some(to_struct(&profile.social_links)),
        preferences: Some(to_struct(&profile.preferences)),
        created_at: Some(to_timestamp(profile.created_at)),
        updated_at: Some(to_timestamp(profile.updated_at)),
    })
}
