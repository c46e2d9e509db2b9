//! Accounts on the wire.

use shared::error::{Error, Result};
use shared::etag;
use shared::json::{to_struct, to_timestamp};
use shared::proto::identity::v1 as pb;
use shared::validation::{Mask, Violations};

use super::{User, UserChange, UserSummary, UserUpdate, fields};

const CHANGEABLE: [&str; 5] = ["username", "first_name", "last_name", "avatar_url", "metadata"];

impl TryFrom<pb::UpdateUserRequest> for UserUpdate {
    type Error = Error;

    fn try_from(request: pb::UpdateUserRequest) -> Result<Self> {
        let user = request.user.unwrap_or_default();
        let mut v = Violations::within("user.");
        let mask = Mask::of(&mut v, request.update_mask, &CHANGEABLE);
        let id = v.uuid("id", &user.id);
        let change = UserChange {
            username: mask.pick("username", || fields::username(&mut v, "username", user.username)),
            first_name: mask.pick("first_name", || fields::name(&mut v, "first_name", user.first_name)),
            last_name: mask.pick("last_name", || fields::name(&mut v, "last_name", user.last_name)),
            avatar_url: mask.pick("avatar_url", || v.optional_url("avatar_url", user.avatar_url)),
            metadata: mask.pick("metadata", || v.json("metadata", user.metadata)),
        };
        v.finish()?;
        Ok(Self { id, etag: user.etag, change: (!mask.is_empty()).then_some(change) })
    }
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            username: user.username,
            first_name: user.first_name,
            last_name: user.last_name,
            avatar_url: user.avatar_url,
            email_verified: user.email_verified,
            status: user.status.into(),
            created_at: Some(to_timestamp(user.created_at)),
            updated_at: Some(to_timestamp(user.updated_at)),
            last_login_at: user.last_login_at.map(to_timestamp),
            metadata: Some(to_struct(&user.metadata)),
            etag: etag::of(user.version),
        }
    }
}

impl From<UserSummary> for pb::UserSummary {
    fn from(user: UserSummary) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username,
            first_name: user.first_name,
            last_name: user.last_name,
            avatar_url: user.avatar_url,
        }
    }
}
