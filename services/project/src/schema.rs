//! Tables of the project service.

use proto::project::v1 as project;
use shared::pg_enum;

pg_enum! {
    /// What became of an offer or an invitation.
    OfferStatus as SqlOfferStatus in "project"."offer_status" is project::OfferStatus {
        /// Open.
        Pending = "pending",
        /// Accepted.
        Accepted = "accepted",
        /// Declined by the one it was for.
        Declined = "declined",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Not answered in time.
        Expired = "expired",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use shared::schema::{SqlProjectStatus, SqlProjectVisibility};
    /// Projects.
    project.projects (id) {
        /// Key.
        id -> Uuid,
        /// Name.
        name -> Varchar,
        /// Description.
        description -> Nullable<Text>,
        /// Owner.
        owner_id -> Uuid,
        /// Where it stands.
        status -> SqlProjectStatus,
        /// Who may read it.
        visibility -> SqlProjectVisibility,
        /// Settings.
        settings -> Jsonb,
        /// Made.
        created_at -> Timestamptz,
        /// Last changed.
        updated_at -> Timestamptz,
        /// Archived.
        archived_at -> Nullable<Timestamptz>,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use shared::schema::SqlProjectRole;
    /// Who belongs to projects.
    project.project_members (id) {
        /// Key.
        id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// User.
        user_id -> Uuid,
        /// Role.
        role -> SqlProjectRole,
        /// Exceptions from the role.
        permissions -> Jsonb,
        /// Joined.
        joined_at -> Timestamptz,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    /// Revision of each project's access state.
    project.access_revisions (project_id) {
        /// Project, also one that is gone.
        project_id -> Uuid,
        /// Counts up.
        revision -> Int8,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlOfferStatus;
    /// Offers of projects to members.
    project.ownership_transfers (id) {
        /// Key.
        id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// Owner.
        from_user_id -> Uuid,
        /// Member who may accept.
        to_user_id -> Uuid,
        /// What became of it.
        status -> SqlOfferStatus,
        /// Made.
        created_at -> Timestamptz,
        /// Until when it can be accepted.
        expires_at -> Timestamptz,
        /// Accepted, declined or withdrawn.
        closed_at -> Nullable<Timestamptz>,
        /// Version.
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlOfferStatus;
    use shared::schema::SqlProjectRole;
    /// Invitations to projects.
    project.invitations (id) {
        /// Key.
        id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// Address.
        email -> Varchar,
        /// Role of the membership.
        role -> SqlProjectRole,
        /// Exceptions from the role.
        permissions -> Jsonb,
        /// Who invites.
        inviter_id -> Uuid,
        /// What became of it.
        status -> SqlOfferStatus,
        /// Who came in.
        accepted_by -> Nullable<Uuid>,
        /// The mail that brings the token.
        mail_id -> Nullable<Uuid>,
        /// Which token works.
        generation -> Int4,
        /// Made.
        created_at -> Timestamptz,
        /// When the token was made.
        sent_at -> Timestamptz,
        /// Until when it can be accepted.
        expires_at -> Timestamptz,
        /// Accepted or withdrawn.
        closed_at -> Nullable<Timestamptz>,
        /// Version.
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
