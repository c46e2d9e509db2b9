//! Tables of the identity service.

use proto::identity::v1 as identity;
use shared::pg_enum;

pg_enum! {
    /// The state of an account.
    UserStatus as SqlUserStatus in "identity"."user_status" is identity::UserStatus {
        /// May sign in.
        Active = "active",
        /// Not yet or no longer in use.
        Inactive = "inactive",
        /// Locked by an operator.
        Suspended = "suspended",
        /// Kept so that history stands.
        Deleted = "deleted",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlUserStatus;
    /// Accounts.
    identity.users (id) {
        /// Key.
        id -> Uuid,
        /// Unique address, in lower case.
        email -> Varchar,
        /// Unique name.
        username -> Varchar,
        /// Argon2id in PHC format; no role selects it.
        password_hash -> Varchar,
        /// Given name.
        first_name -> Nullable<Varchar>,
        /// Family name.
        last_name -> Nullable<Varchar>,
        /// Address of a picture.
        avatar_url -> Nullable<Text>,
        /// Whether mail arrives.
        email_verified -> Bool,
        /// State.
        status -> SqlUserStatus,
        /// Made.
        created_at -> Timestamptz,
        /// Last changed.
        updated_at -> Timestamptz,
        /// Last signed in.
        last_login_at -> Nullable<Timestamptz>,
        /// Data of the application.
        metadata -> Jsonb,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    /// What users tell about themselves.
    identity.user_profiles (id) {
        /// Key.
        id -> Uuid,
        /// Whose.
        user_id -> Uuid,
        /// A text.
        bio -> Nullable<Text>,
        /// Place.
        location -> Nullable<Varchar>,
        /// Web site.
        website_url -> Nullable<Text>,
        /// Networks to addresses.
        social_links -> Jsonb,
        /// Settings.
        preferences -> Jsonb,
        /// Made.
        created_at -> Timestamptz,
        /// Last changed.
        updated_at -> Timestamptz,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    /// Signed-in devices.
    identity.user_sessions (id) {
        /// Key.
        id -> Uuid,
        /// Whose.
        user_id -> Uuid,
        /// SHA-256 of the session token, hexadecimal.
        session_token -> Varchar,
        /// SHA-256 of the refresh token, hexadecimal; no role selects it.
        refresh_token -> Nullable<Varchar>,
        /// End of the session token.
        expires_at -> Timestamptz,
        /// From where.
        ip_address -> Nullable<Inet>,
        /// With what.
        user_agent -> Nullable<Text>,
        /// Whether it still works.
        is_active -> Bool,
        /// Signed in.
        created_at -> Timestamptz,
        /// End of the refresh token.
        refresh_expires_at -> Timestamptz,
        /// Last used, to about a minute.
        last_seen_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    /// Refresh tokens that have been exchanged.
    identity.user_session_rotations (refresh_token) {
        /// SHA-256 of the token, hexadecimal.
        refresh_token -> Varchar,
        /// Whose.
        session_id -> Uuid,
        /// Exchanged.
        rotated_at -> Timestamptz,
    }
}

diesel::table! {
    /// Tokens for programs.
    identity.api_tokens (id) {
        /// Key.
        id -> Uuid,
        /// Whose.
        user_id -> Uuid,
        /// What its user calls it.
        name -> Varchar,
        /// SHA-256 of the token, hexadecimal.
        token_hash -> Varchar,
        /// What it may do.
        scopes -> Array<Text>,
        /// Made.
        created_at -> Timestamptz,
        /// Ends by itself.
        expires_at -> Timestamptz,
        /// Last used, to about a minute.
        last_used_at -> Nullable<Timestamptz>,
        /// Revoked.
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, user_profiles, user_sessions, user_session_rotations);
