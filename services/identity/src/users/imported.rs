//! Imported users, validated and with encrypted personal data.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use proto::identity::admin::v1 as pb;
use serde_json::Value;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::fields;
use crate::encryption::{AssociatedData, EncryptedText, FIRST_NAME, KeyRing, LAST_NAME, LOCATION};
use crate::passwords::{self, NO_PASSWORD};
use crate::profiles::{MAX_BIO_CHARS, MAX_LOCATION_CHARS};
use crate::schema::{UserStatus, user_profiles, users};

pub(super) struct NewAccount {
    pub(super) user: NewUser,
    pub(super) profile: NewProfile,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub(super) struct NewUser {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) username: String,
    password_hash: String,
    first_name: Option<EncryptedText>,
    last_name: Option<EncryptedText>,
    avatar_url: Option<String>,
    email_verified: bool,
    status: UserStatus,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login_at: Option<DateTime<Utc>>,
    metadata: Value,
}

#[derive(Insertable)]
#[diesel(table_name = user_profiles)]
pub(super) struct NewProfile {
    pub(super) user_id: Uuid,
    bio: Option<String>,
    location: Option<EncryptedText>,
    website_url: Option<String>,
    social_links: Value,
    preferences: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl NewAccount {
    /// The inner error has all violations in one sentence.
    ///
    /// # Errors
    /// `INTERNAL` when a field cannot be encrypted.
    pub(super) fn new(mut given: pb::ImportedUser, keys: &KeyRing) -> Result<Result<Self, String>> {
        let profile = given.profile.take().unwrap_or_default();
        let mut v = Violations::new();
        let user = NewUser::new(&mut v, given, keys)?;
        let mut profile_violations = Violations::within("profile.");
        let profile = NewProfile::new(&mut profile_violations, profile, &user, keys)?;
        v.absorb(profile_violations);
        Ok(v.sentence().map_or(Ok(Self { user, profile }), Err))
    }
}

impl NewUser {
    fn new(v: &mut Violations, given: pb::ImportedUser, keys: &KeyRing) -> Result<Self> {
        let id = v.uuid("id", &given.id);
        let created_at = v.optional_time("created_at", given.created_at).unwrap_or_else(Utc::now);
        let first_name = fields::name(v, "first_name", given.first_name);
        let last_name = fields::name(v, "last_name", given.last_name);
        let erased = fields::erased_login(id);
        let (email, username) = if (&given.email, &given.username) == (&erased.0, &erased.1) {
            erased
        } else {
            (v.email("email", &given.email), fields::username(v, "username", given.username))
        };
        Ok(Self {
            id,
            email,
            username,
            password_hash: password_hash(v, given.password_hash),
            first_name: keys.encrypt_optional(AssociatedData::new(FIRST_NAME, id), first_name.as_deref())?,
            last_name: keys.encrypt_optional(AssociatedData::new(LAST_NAME, id), last_name.as_deref())?,
            avatar_url: v.optional_url("avatar_url", given.avatar_url),
            email_verified: given.email_verified,
            status: v.optional_enum("status", given.status).unwrap_or(UserStatus::Active),
            created_at,
            updated_at: v.optional_time("updated_at", given.updated_at).unwrap_or(created_at),
            last_login_at: v.optional_time("last_login_at", given.last_login_at),
            metadata: v.json("metadata", given.metadata),
        })
    }
}

impl NewProfile {
    fn new(
        v: &mut Violations,
        given: pb::ImportedUserProfile,
        user: &NewUser,
        keys: &KeyRing,
    ) -> Result<Self> {
        let created_at = v.optional_time("created_at", given.created_at).unwrap_or(user.created_at);
        let location = v.optional_text("location", given.location, MAX_LOCATION_CHARS);
        Ok(Self {
            user_id: user.id,
            bio: v.optional_text("bio", given.bio, MAX_BIO_CHARS),
            location: keys.encrypt_optional(AssociatedData::new(LOCATION, user.id), location.as_deref())?,
            website_url: v.optional_url("website_url", given.website_url),
            social_links: v.json("social_links", given.social_links),
            preferences: v.json("preferences", given.preferences),
            created_at,
            updated_at: v.optional_time("updated_at", given.updated_at).unwrap_or(created_at),
        })
    }
}

/// An imported hash is replaced at the next login.
fn password_hash(v: &mut Violations, hash: Option<String>) -> String {
    let Some(hash) = hash else { return NO_PASSWORD.to_owned() };
    if let Err(violation) = passwords::check_imported_hash(&hash) {
        v.add("password_hash", violation);
    }
    hash
}
