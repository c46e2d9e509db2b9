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
use shared::validation::Violations;
use uuid::Uuid;

use crate::encryption::EncryptedText;
use crate::schema::user_profiles;

pub use rpc::ProfileHandler;

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
#[derive(Debug, AsChangeset)]
#[diesel(table_name = user_profiles)]
pub struct ProfileChange {
    bio: Option<Option<String>>,
    location: Option<Option<EncryptedText>>,
    website_url: Option<Option<String>>,
    social_links: Option<Value>,
    preferences: Option<Value>,
}

/// A change of a profile, of which the changes of JSON depend on the present values.
#[derive(Debug)]
pub struct ProfilePatch {
    plain: ProfileChange,
    social_links: Option<JsonChange>,
    preferences: Option<JsonChange>,
}

impl ProfilePatch {
    /// The new values.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when an object grows too large.
    pub fn apply_to(self, profile: &Profile) -> Result<ProfileChange> {
        let mut v = Violations::within("profile.");
        let mut apply = |field: &str, change: Option<JsonChange>, present: &Value| {
            change.map(|change| {
                let value = change.apply(present.clone());
                v.check_json(field, &value);
                value
            })
        };
        let social_links = apply("social_links", self.social_links, &profile.social_links);
        let preferences = apply("preferences", self.preferences, &profile.preferences);
        v.finish()?;
        Ok(ProfileChange { social_links, preferences, ..self.plain })
    }
}

/// A validated request to change a profile.
#[derive(Debug)]
pub struct UpdateProfileInput {
    pub user_id: Uuid,
    /// Empty for any version.
    pub etag: String,
    /// `None` if nothing is to change.
    pub change: Option<ProfilePatch>,
}
