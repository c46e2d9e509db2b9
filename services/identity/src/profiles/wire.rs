//! Profiles on the wire.

use shared::error::{Error, Result};
use shared::etag;
use shared::json::{to_struct, to_timestamp};
use shared::proto::identity::v1 as pb;
use shared::validation::{Mask, Violations};

use super::{MAX_BIO_CHARS, MAX_LOCATION_CHARS, Profile, ProfileChange, ProfileUpdate};

const CHANGEABLE: [&str; 5] = ["bio", "location", "website_url", "social_links", "preferences"];

impl TryFrom<pb::UpdateUserProfileRequest> for ProfileUpdate {
    type Error = Error;

    fn try_from(request: pb::UpdateUserProfileRequest) -> Result<Self> {
        let profile = request.profile.unwrap_or_default();
        let mut v = Violations::within("profile.");
        let mask = Mask::of(&mut v, request.update_mask, &CHANGEABLE);
        let user_id = v.uuid("user_id", &profile.user_id);
        let change = ProfileChange {
            bio: mask.pick("bio", || v.optional_text("bio", profile.bio, MAX_BIO_CHARS)),
            location: mask
                .pick("location", || v.optional_text("location", profile.location, MAX_LOCATION_CHARS)),
            website_url: mask.pick("website_url", || v.optional_url("website_url", profile.website_url)),
            social_links: mask.pick("social_links", || v.json("social_links", profile.social_links)),
            preferences: mask.pick("preferences", || v.json("preferences", profile.preferences)),
        };
        v.finish()?;
        Ok(Self { user_id, etag: profile.etag, change: (!mask.is_empty()).then_some(change) })
    }
}

impl From<Profile> for pb::UserProfile {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id.to_string(),
            user_id: profile.user_id.to_string(),
            bio: profile.bio,
            location: profile.location,
            website_url: profile.website_url,
            social_links: Some(to_struct(&profile.social_links)),
            preferences: Some(to_struct(&profile.preferences)),
            created_at: Some(to_timestamp(profile.created_at)),
            updated_at: Some(to_timestamp(profile.updated_at)),
            etag: etag::of(profile.version),
        }
    }
}
