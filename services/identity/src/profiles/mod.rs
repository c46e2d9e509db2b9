//! What users tell about themselves. Every account has one profile, made with it. Only its user sees it.
//! The location is sealed in the table.

pub mod queries;
mod wire;

use crate::schema::user_profiles;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use shared::error::Result;
use shared::etag::RowVersion;
use shared::json::JsonChange;
use shared::validation::Violations;
use uuid::Uuid;

use crate::encryption::Sealed;

/// Longest text about a user, in characters.
pub const MAX_BIO_CHARS: usize = 10_000;
/// Longest name of a place, in characters.
pub const MAX_LOCATION_CHARS: usize = 255;

/// A profile.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = user_profiles, check_for_backend(diesel::pg::Pg))]
pub struct Profile {
    /// Key.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// A text about the user.
    pub bio: Option<String>,
    /// Place.
    pub location: Option<Sealed>,
    /// Web site.
    pub website_url: Option<String>,
    /// Networks to addresses.
    pub social_links: Value,
    /// Settings in front ends.
    pub preferences: Value,
    /// Made.
    pub created_at: DateTime<Utc>,
    /// Last changed.
    pub updated_at: DateTime<Utc>,
    /// Version.
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// New values of the fields that change.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = user_profiles)]
pub struct ProfileChange {
    bio: Option<Option<String>>,
    location: Option<Option<Sealed>>,
    website_url: Option<Option<String>>,
    social_links: Option<Value>,
    preferences: Option<Value>,
}

/// What is to become of a profile.
#[derive(Debug)]
pub struct ProfileWish {
    plain: ProfileChange,
    social_links: Option<JsonChange>,
    preferences: Option<JsonChange>,
}

impl ProfileWish {
    /// The new values, beside those that a profile has.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when an object grows too large.
    pub fn on(self, profile: &Profile) -> Result<ProfileChange> {
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

/// A wish to change a profile.
#[derive(Debug)]
pub struct ProfileUpdate {
    /// Whose.
    pub user_id: Uuid,
    /// The version that the caller saw; empty for any.
    pub etag: String,
    /// `None` if nothing is to change.
    pub change: Option<ProfileWish>,
}
