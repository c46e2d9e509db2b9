//! The tables of the schema `identity`.

use proto::identity::v1 as identity;
use shared::pg_enum;

pg_enum! {
    UserStatus as SqlUserStatus in "identity"."user_status" is identity::UserStatus {
        Active = "active",
        Inactive = "inactive",
        Suspended = "suspended",
        Deleted = "deleted",
    }
}

diesel::define_sql_function! {
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlUserStatus;
    identity.users (id) {
        id -> Uuid,
        /// In lower case.
        email -> Varchar,
        username -> Varchar,
        /// Argon2id in PHC format; no role selects it.
        password_hash -> Varchar,
        first_name -> Nullable<Varchar>,
        last_name -> Nullable<Varchar>,
        avatar_url -> Nullable<Text>,
        email_verified -> Bool,
        status -> SqlUserStatus,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        last_login_at -> Nullable<Timestamptz>,
        metadata -> Jsonb,
        xmin -> Oid,
    }
}

diesel::table! {
    identity.user_profiles (id) {
        id -> Uuid,
        user_id -> Uuid,
        bio -> Nullable<Text>,
        location -> Nullable<Varchar>,
        website_url -> Nullable<Text>,
        social_links -> Jsonb,
        preferences -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        xmin -> Oid,
    }
}

diesel::table! {
    identity.user_sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        /// SHA-256 of the session token, hexadecimal.
        session_token -> Varchar,
        /// SHA-256 of the refresh token, hexadecimal; no role selects it.
        refresh_token -> Nullable<Varchar>,
        expires_at -> Timestamptz,
        ip_address -> Nullable<Inet>,
        user_agent -> Nullable<Text>,
        is_active -> Bool,
        created_at -> Timestamptz,
        refresh_expires_at -> Timestamptz,
        /// Accurate to about a minute.
        last_seen_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    identity.user_session_rotations (refresh_token) {
        /// SHA-256 of the token, hexadecimal.
        refresh_token -> Varchar,
        session_id -> Uuid,
        rotated_at -> Timestamptz,
    }
}

diesel::table! {
    identity.api_tokens (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Varchar,
        /// SHA-256 of the token, hexadecimal.
        token_hash -> Varchar,
        scopes -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        /// Accurate to about a minute.
        last_used_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, user_profiles, user_sessions, user_session_rotations);
