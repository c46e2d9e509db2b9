//! Conversions of accounts.

use proto::identity::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{Mask, Violations};
use uuid::Uuid;

use super::{UpdateUserInput, User, UserChange, UserSummary, fields};
use crate::encryption::{AssociatedData, FIRST_NAME, KeyRing, LAST_NAME};

const CHANGEABLE: [&str; 5] = ["username", "first_name", "last_name", "avatar_url", "metadata"];

impl UpdateUserInput {
    /// An empty id names the caller.
    pub(super) fn parse(request: pb::UpdateUserRequest, own_id: Uuid, keys: &KeyRing) -> Result<Self> {
        let mut v = Violations::within("user.");
        let user = v.message("user", request.user);
        let mut mask = Mask::of(&mut v, request.update_mask, &CHANGEABLE);
        let id = v.optional_uuid("id", &user.id).unwrap_or(own_id);
        let username =
            mask.pick("username", user.username, |name| fields::username(&mut v, "username", name));
        let first_name =
            mask.pick("first_name", user.first_name, |name| fields::name(&mut v, "first_name", name));
        let last_name =
            mask.pick("last_name", user.last_name, |name| fields::name(&mut v, "last_name", name));
        let avatar_url = mask.pick("avatar_url", user.avatar_url, |url| v.optional_url("avatar_url", url));
        let metadata = mask.pick_json(&mut v, "metadata", user.metadata, request.metadata_patch);
        v.finish()?;

        let encrypt = |column, name: Option<Option<String>>| {
            name.map(|name| keys.encrypt_optional(AssociatedData::new(column, id), name.as_deref()))
                .transpose()
        };
        let (first_name, last_name) = (encrypt(FIRST_NAME, first_name)?, encrypt(LAST_NAME, last_name)?);
        let change = UserChange { username, first_name, last_name, avatar_url, metadata: None };
        Ok(Self { id, etag: user.etag, change, metadata, has_changes: mask.has_changes() })
    }
}

impl User {
    /// For its owner.
    ///
    /// # Errors
    /// `INTERNAL` when a name cannot be decrypted under these keys.
    pub fn into_wire(self, keys: &KeyRing) -> Result<pb::User> {
        Ok(pb::User {
            id: self.id.to_string(),
            email: self.email,
            username: self.username,
            first_name: keys
                .decrypt_optional(AssociatedData::new(FIRST_NAME, self.id), self.first_name.as_ref())?,
            last_name: keys
                .decrypt_optional(AssociatedData::new(LAST_NAME, self.id), self.last_name.as_ref())?,
            avatar_url: self.avatar_url,
            email_verified: self.email_verified,
            status: self.status.into(),
            created_at: Some(to_timestamp(self.created_at)),
            updated_at: Some(to_timestamp(self.updated_at)),
            last_login_at: self.last_login_at.map(to_timestamp),
            metadata: Some(to_struct(&self.metadata)),
            etag: etag::of(self.version),
        })
    }
}

impl UserSummary {
    /// For others.
    ///
    /// # Errors
    /// `INTERNAL` when a name cannot be decrypted under these keys.
    pub fn into_wire(self, keys: &KeyRing) -> Result<pb::UserSummary> {
        Ok(pb::UserSummary {
            id: self.id.to_string(),
            username: self.username,
            first_name: keys
                .decrypt_optional(AssociatedData::new(FIRST_NAME, self.id), self.first_name.as_ref())?,
            last_name: keys
                .decrypt_optional(AssociatedData::new(LAST_NAME, self.id), self.last_name.as_ref())?,
            avatar_url: self.avatar_url,
        })
    }
}
