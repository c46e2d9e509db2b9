//! Conversions of profiles.

use proto::identity::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{Mask, Violations};
use uuid::Uuid;

use super::{MAX_BIO_CHARS, MAX_LOCATION_CHARS, Profile, ProfileChange, UpdateProfileInput};
use crate::encryption::{AssociatedData, KeyRing, LOCATION};

const CHANGEABLE: [&str; 5] = ["bio", "location", "website_url", "social_links", "preferences"];

impl UpdateProfileInput {
    /// An empty user id names the caller.
    pub(super) fn parse(request: pb::UpdateUserProfileRequest, own_id: Uuid, keys: &KeyRing) -> Result<Self> {
        let mut v = Violations::within("profile.");
        let profile = v.message("profile", request.profile);
        let mut mask = Mask::of(&mut v, request.update_mask, &CHANGEABLE);
        let user_id = v.optional_uuid("user_id", &profile.user_id).unwrap_or(own_id);
        let bio = mask.pick("bio", profile.bio, |bio| v.optional_text("bio", bio, MAX_BIO_CHARS));
        let location = mask.pick("location", profile.location, |location| {
            v.optional_text("location", location, MAX_LOCATION_CHARS)
        });
        let website_url =
            mask.pick("website_url", profile.website_url, |url| v.optional_url("website_url", url));
        let social_links =
            mask.pick_json(&mut v, "social_links", profile.social_links, request.social_links_patch);
        let preferences =
            mask.pick_json(&mut v, "preferences", profile.preferences, request.preferences_patch);
        v.finish()?;

        let associated_data = AssociatedData::new(LOCATION, user_id);
        let encrypt = |text: Option<String>| keys.encrypt_optional(associated_data, text.as_deref());
        let location = location.map(encrypt).transpose()?;
        let change = ProfileChange { bio, location, website_url, ..ProfileChange::default() };
        let has_changes = mask.has_changes();
        Ok(Self { user_id, etag: profile.etag, change, social_links, preferences, has_changes })
    }
}

impl Profile {
    /// # Errors
    /// `INTERNAL` when the location cannot be decrypted.
    pub fn into_wire(self, keys: &KeyRing) -> Result<pb::UserProfile> {
        let associated_data = AssociatedData::new(LOCATION, self.user_id);
        Ok(pb::UserProfile {
            id: self.id.to_string(),
            user_id: self.user_id.to_string(),
            bio: self.bio,
            location: keys.decrypt_optional(associated_data, self.location.as_ref())?,
            website_url: self.website_url,
            social_links: Some(to_struct(&self.social_links)),
            preferences: Some(to_struct(&self.preferences)),
            created_at: Some(to_timestamp(self.created_at)),
            updated_at: Some(to_timestamp(self.updated_at)),
            etag: etag::of(self.version),
        })
    }
}
