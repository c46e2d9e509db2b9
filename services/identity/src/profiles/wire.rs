//! Conversions of profiles.

use proto::identity::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::json::{to_struct, to_timestamp};
use shared::validation::{Mask, Violations};

use super::{MAX_BIO_CHARS, MAX_LOCATION_CHARS, Profile, ProfileChange, ProfilePatch, UpdateProfileInput};
use crate::encryption::{AssociatedData, KeyRing, LOCATION};

const CHANGEABLE: [&str; 5] = ["bio", "location", "website_url", "social_links", "preferences"];
/// Fields of which single entries can be changed.
const OBJECTS: [&str; 2] = ["social_links", "preferences"];

impl UpdateProfileInput {
    /// # Errors
    /// `INVALID_ARGUMENT` with all violations.
    pub fn of(request: pb::UpdateUserProfileRequest, keys: &KeyRing) -> Result<Self> {
        let profile = request.profile.unwrap_or_default();
        let mut v = Violations::within("profile.");
        let mask = Mask::with_entries(&mut v, request.update_mask, &CHANGEABLE, &OBJECTS);
        let user_id = v.uuid("user_id", &profile.user_id);
        let bio = mask.pick("bio", || v.optional_text("bio", profile.bio, MAX_BIO_CHARS));
        let location =
            mask.pick("location", || v.optional_text("location", profile.location, MAX_LOCATION_CHARS));
        let website_url = mask.pick("website_url", || v.optional_url("website_url", profile.website_url));
        let social_links = v.json_change(&mask, "social_links", profile.social_links);
        let preferences = v.json_change(&mask, "preferences", profile.preferences);
        v.finish()?;

        let encrypt = |text: Option<String>| {
            keys.encrypt_optional(AssociatedData::new(LOCATION, user_id), text.as_deref())
        };
        let location = location.map(encrypt).transpose()?;
        let plain = ProfileChange { bio, location, website_url, social_links: None, preferences: None };
        let change = ProfilePatch { plain, social_links, preferences };
        Ok(Self { user_id, etag: profile.etag, change: (!mask.is_empty()).then_some(change) })
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
