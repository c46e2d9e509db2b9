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

pg_enum! {
    SubscriptionReason as SqlSubscriptionReason in "project"."subscription_reason" is project::SubscriptionReason {
        Creator = "creator",
        Assignee = "assignee",
        Mentioned = "mentioned",
        Choice = "choice",
    }
}

pg_enum! {
    NotificationKind as SqlNotificationKind in "project"."notification_kind" is project::NotificationKind {
        Assignment = "assignment",
        Mention = "mention",
        Comment = "comment",
        Creation = "creation",
        Update = "update",
    }
}

pg_enum! {
    WebhookStatus as SqlWebhookStatus in "project"."webhook_status" is project::WebhookStatus {
        Active = "active",
        Paused = "paused",
    }
}

pg_enum! {
    PauseReason as SqlPauseReason in "project"."webhook_pause_reason" is project::WebhookPauseReason {
        Requested = "requested",
        Failing = "failing",
        Gone = "gone",
        QueueFull = "queue_full",
        NotAuthorized = "not_authorized",
    }
}

pg_enum! {
    DeliveryStatus as SqlDeliveryStatus in "project"."webhook_delivery_status" is project::WebhookDeliveryStatus {
        Pending = "pending",
        Delivered = "delivered",
        Failed = "failed",
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
        key -> Varchar,
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
        answered_by -> Nullable<Uuid>,
        mail_id -> Nullable<Uuid>,
        generation -> Int4,
        created_at -> Timestamptz,
        sent_at -> Timestamptz,
        expires_at -> Timestamptz,
        closed_at -> Nullable<Timestamptz>,
        xmin -> Oid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::{SqlPauseReason, SqlWebhookStatus};
    project.webhooks (id) {
        id -> Uuid,
        project_id -> Uuid,
        url -> Varchar,
        description -> Nullable<Text>,
        change_kinds -> Array<Int4>,
        resource_types -> Array<Int4>,
        status -> SqlWebhookStatus,
        pause_reason -> Nullable<SqlPauseReason>,
        maintainer_id -> Uuid,
        generation -> Int4,
        former_secret_expires_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        xmin -> Oid,
    }
}

diesel::table! {
    project.webhook_states (webhook_id) {
        webhook_id -> Uuid,
        available_at -> Timestamptz,
        failures -> Int4,
        failing_since -> Nullable<Timestamptz>,
        owner_notice -> Bool,
    }
}

diesel::table! {
    project.webhook_messages (id) {
        id -> Uuid,
        project_id -> Uuid,
        event_type -> Text,
        resource_id -> Uuid,
        payload -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlDeliveryStatus;
    project.webhook_deliveries (id) {
        id -> Uuid,
        webhook_id -> Uuid,
        message_id -> Uuid,
        order_key -> Uuid,
        position -> Int8,
        status -> SqlDeliveryStatus,
        attempts -> Int4,
        next_attempt_at -> Timestamptz,
        attempted_at -> Nullable<Timestamptz>,
        attempt_milliseconds -> Nullable<Int4>,
        response_status -> Nullable<Int4>,
        failure -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(webhooks -> projects (project_id));
diesel::joinable!(webhook_states -> webhooks (webhook_id));
diesel::joinable!(webhook_deliveries -> webhook_messages (message_id));

diesel::allow_tables_to_appear_in_same_query!(
    projects,
    project_members,
    access_revisions,
    ownership_transfers,
    invitations,
    webhooks,
    webhook_states,
    webhook_messages,
    webhook_deliveries,
);
