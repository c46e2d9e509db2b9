//! Profiles. Every account has one, which only its user sees. The location is encrypted in the table.

pub mod queries;
mod rpc;
mod wire;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use shared::error::Result;
use shared::etag::RowVersion;
use shared::json::JsonChange;
use uuid::Uuid;

use crate::encryption::EncryptedText;
use crate::schema::user_profiles;

pub const MAX_BIO_CHARS: usize = 10_000;
pub const MAX_LOCATION_CHARS: usize = 255;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = user_profiles, check_for_backend(diesel::pg::Pg))]
pub struct Profile {
    pub id: Uuid,
    pub user_id: Uuid,
    pub bio: Option<String>,
    pub location: Option<EncryptedText>,
    pub website_url: Option<String>,
    /// From networks to URLs.
    pub social_links: Value,
    /// Settings of front ends.
    pub preferences: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// New values of the fields that change.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = user_profiles)]
pub struct ProfileChange {
    bio: Option<Option<String>>,
    location: Option<Option<EncryptedText>>,
    website_url: Option<Option<String>>,
    social_links: Option<Value>,
    preferences: Option<Value>,
}

/// A validated request to change a profile.
#[derive(Debug)]
struct UpdateProfileInput {
    user_id: Uuid,
    etag: String,
    change: ProfileChange,
    social_links: Option<JsonChange>,
    preferences: Option<JsonChange>,
    has_changes: bool,
}

impl UpdateProfileInput {
    /// The new values.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when a patched object is too large.
    fn change_of(self, profile: &Profile) -> Result<ProfileChange> {
        let apply = |field, change: Option<JsonChange>, present: &Value| {
            change.map(|change| change.apply_within_limits(field, present.clone())).transpose()
        };
        let social_links = apply("social_links", self.social_links, &profile.social_links)?;
        let preferences = apply("preferences", self.preferences, &profile.preferences)?;
        Ok(ProfileChange { social_links, preferences, ..self.change })
    }
}
