//! Accounts.
//!
//! A user sees and changes their own account only; of others they learn what [`UserSummary`] has, by exact name.
//! Given and family names are sealed in the table: opened when they are answered, never searched.

pub(crate) mod export;
pub mod fields;
pub(crate) mod import;
mod imported;
pub(crate) mod lookup;
pub mod queries;
pub(crate) mod rpc;
mod wire;

use crate::schema::UserStatus;
use crate::schema::users;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid, Varchar};
use serde_json::Value;
use shared::etag::RowVersion;
use uuid::Uuid;

use crate::encryption::Sealed;

pub use export::ExportApi;
pub use import::ImportApi;
pub use lookup::Directory;
pub use rpc::UserApi;

/// An account. The password's hash is not in it: no role may read that.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct User {
    /// Key.
    pub id: Uuid,
    /// Unique address, in lower case.
    pub email: String,
    /// Unique name.
    pub username: String,
    /// Given name.
    pub first_name: Option<Sealed>,
    /// Family name.
    pub last_name: Option<Sealed>,
    /// Address of a picture.
    pub avatar_url: Option<String>,
    /// Whether mail arrives.
    pub email_verified: bool,
    /// State.
    pub status: UserStatus,
    /// Made.
    pub created_at: DateTime<Utc>,
    /// Last changed.
    pub updated_at: DateTime<Utc>,
    /// Last signed in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Data of the calling application.
    pub metadata: Value,
    /// Version.
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// What others see of an account.
#[derive(Clone, Debug, QueryableByName)]
pub struct UserSummary {
    /// Key.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Unique name.
    #[diesel(sql_type = Varchar)]
    pub username: String,
    /// Given name.
    #[diesel(sql_type = Nullable<Varchar>)]
    pub first_name: Option<Sealed>,
    /// Family name.
    #[diesel(sql_type = Nullable<Varchar>)]
    pub last_name: Option<Sealed>,
    /// Address of a picture.
    #[diesel(sql_type = Nullable<Text>)]
    pub avatar_url: Option<String>,
}

/// New values of the fields that change.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChange {
    username: Option<String>,
    first_name: Option<Option<Sealed>>,
    last_name: Option<Option<Sealed>>,
    avatar_url: Option<Option<String>>,
    metadata: Option<Value>,
}

/// A wish to change an account.
#[derive(Debug)]
pub struct UserUpdate {
    id: Uuid,
    etag: String,
    /// `None` if nothing is to change.
    change: Option<UserChange>,
}
