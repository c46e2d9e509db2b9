//! Accounts.
//!
//! Users see and change only their own account. Of others they see a [`UserSummary`], by exact username or id. Given and
//! family names are encrypted in the table: decrypted for responses, never searched.

mod export;
pub mod fields;
mod import;
mod imported;
mod lookup;
pub mod queries;
mod rpc;
mod wire;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid, Varchar};
use serde_json::Value;
use shared::caller::Caller;
use shared::error::Result;
use shared::etag::RowVersion;
use shared::json::JsonChange;
use shared::validation::Violations;
use uuid::Uuid;

use crate::encryption::EncryptedText;
use crate::schema::{UserStatus, users};

/// An account without its password hash, which no role may read.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct User {
    pub id: Uuid,
    /// In lower case.
    pub email: String,
    pub username: String,
    pub first_name: Option<EncryptedText>,
    pub last_name: Option<EncryptedText>,
    pub avatar_url: Option<String>,
    pub email_verified: bool,
    pub status: UserStatus,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
    /// Data of the calling application.
    pub metadata: Value,
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// The fields of an account that others see.
#[derive(Clone, Debug, QueryableByName)]
pub struct UserSummary {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Varchar)]
    pub username: String,
    #[diesel(sql_type = Nullable<Varchar>)]
    pub first_name: Option<EncryptedText>,
    #[diesel(sql_type = Nullable<Varchar>)]
    pub last_name: Option<EncryptedText>,
    #[diesel(sql_type = Nullable<Text>)]
    pub avatar_url: Option<String>,
}

/// New values of the fields that change.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChange {
    username: Option<String>,
    first_name: Option<Option<EncryptedText>>,
    last_name: Option<Option<EncryptedText>>,
    avatar_url: Option<Option<String>>,
    metadata: Option<Value>,
}

/// A validated request to change an account.
#[derive(Debug)]
pub struct UpdateUserInput {
    id: Uuid,
    etag: String,
    change: UserChange,
    metadata: Option<JsonChange>,
    has_changes: bool,
}

impl UpdateUserInput {
    /// The new values.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the patched metadata is too large.
    fn change_of(self, user: &User) -> Result<UserChange> {
        let apply = |change: JsonChange| change.apply_within_limits("metadata", user.metadata.clone());
        Ok(UserChange { metadata: self.metadata.map(apply).transpose()?, ..self.change })
    }
}

/// Parses the field `user_id`.
pub fn parse_user_id(text: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("user_id", text);
    v.finish()?;
    Ok(id)
}

/// As [`parse_user_id`]; an empty field names the caller.
pub fn parse_user_id_or_own(text: &str, caller: &Caller) -> Result<Uuid> {
    if text.is_empty() { Ok(caller.user()?.user_id) } else { parse_user_id(text) }
}
