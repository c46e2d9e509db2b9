//! The schema of the project service.

use proto::project::v1 as project;
use shared::pg_enum;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "project";

pg_enum! {
    OfferStatus as SqlOfferStatus in "project"."offer_status" is project::OfferStatus {
        Pending = "pending",
        Accepted = "accepted",
        Declined = "declined",
        Withdrawn = "withdrawn",
        Expired = "expired",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use shared::schema::{SqlProjectStatus, SqlProjectVisibility};
    project.projects (id) {
        id -> Uuid,
        name -> Varchar,
        description -> Nullable<Text>,
        owner_id -> Uuid,
        status -> SqlProjectStatus,
        visibility -> SqlProjectVisibility,
        settings -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        archived_at -> Nullable<Timestamptz>,
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use shared::schema::SqlProjectRole;
    project.project_members (id) {
        id -> Uuid,
        project_id -> Uuid,
        user_id -> Uuid,
        role -> SqlProjectRole,
        permissions -> Jsonb,
        joined_at -> Timestamptz,
        xmin -> Oid,
    }
}

diesel::table! {
    project.access_revisions (project_id) {
        project_id -> Uuid,
        revision -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlOfferStatus;
    project.ownership_transfers (id) {
        id -> Uuid,
        project_id -> Uuid,
        from_user_id -> Uuid,
        to_user_id -> Uuid,
        status -> SqlOfferStatus,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlOfferStatus;
    use shared::schema::SqlProjectRole;
    project.invitations (id) {
        id -> Uuid,
        project_id -> Uuid,
        email -> Varchar,
        role -> SqlProjectRole,
        permissions -> Jsonb,
        inviter_id -> Uuid,
        status -> SqlOfferStatus,
        accepted_by -> Nullable<Uuid>,
        mail_id -> Nullable<Uuid>,
        generation -> Int4,
        created_at -> Timestamptz,
        sent_at -> Timestamptz,
        expires_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        xmin -> Oid,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    projects,
    project_members,
    access_revisions,
    ownership_transfers,
    invitations,
);
