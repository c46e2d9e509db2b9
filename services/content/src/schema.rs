//! The tables of the schema `content`.

use proto::content::v1 as content;
use shared::pg_enum;

/// Name of the service, of its schema and of its proto package.
pub const NAME: &str = "content";

pg_enum! {
    DocumentStatus as SqlDocumentStatus in "content"."document_status" is content::DocumentStatus {
        Draft = "draft",
        Review = "review",
        Published = "published",
        Archived = "archived",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlDocumentStatus;
    content.documents (id) {
        id -> Uuid,
        project_id -> Uuid,
        title -> Varchar,
        content -> Nullable<Text>,
        content_type -> Varchar,
        author_id -> Uuid,
        version -> Int4,
        status -> SqlDocumentStatus,
        tags -> Array<Text>,
        metadata -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        published_at -> Nullable<Timestamptz>,
        xmin -> Oid,
    }
}

diesel::table! {
    content.document_versions (id) {
        id -> Uuid,
        document_id -> Uuid,
        version_number -> Int4,
        title -> Varchar,
        content -> Text,
        change_summary -> Nullable<Text>,
        author_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    content.file_attachments (id) {
        id -> Uuid,
        entity_type -> Varchar,
        entity_id -> Uuid,
        filename -> Varchar,
        original_filename -> Varchar,
        file_size -> Int8,
        mime_type -> Varchar,
        storage_path -> Text,
        uploader_id -> Uuid,
        metadata -> Jsonb,
        created_at -> Timestamptz,
        project_id -> Uuid,
        sha256 -> Bpchar,
        blob_id -> Uuid,
        updated_at -> Timestamptz,
        xmin -> Oid,
    }
}

diesel::table! {
    content.comments (id) {
        id -> Uuid,
        project_id -> Uuid,
        entity_type -> Text,
        entity_id -> Uuid,
        parent_id -> Nullable<Uuid>,
        author_id -> Uuid,
        content -> Text,
        mentioned_user_ids -> Array<Uuid>,
        attachment_ids -> Array<Uuid>,
        version -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        edited_at -> Timestamptz,
        resolved_at -> Nullable<Timestamptz>,
        resolver_id -> Nullable<Uuid>,
        deleted_at -> Nullable<Timestamptz>,
        anchor_version -> Nullable<Int4>,
        anchor_start -> Nullable<Int4>,
        anchor_end -> Nullable<Int4>,
        anchor_quote -> Nullable<Text>,
        anchor_outdated -> Bool,
        xmin -> Oid,
    }
}

diesel::table! {
    content.comment_versions (comment_id, version_number) {
        comment_id -> Uuid,
        version_number -> Int4,
        content -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    content.comment_reactions (id) {
        id -> Uuid,
        comment_id -> Uuid,
        project_id -> Uuid,
        entity_type -> Text,
        entity_id -> Uuid,
        user_id -> Uuid,
        emoji -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    content.uploads (id) {
        id -> Uuid,
        attachment_id -> Uuid,
        entity_type -> Varchar,
        entity_id -> Uuid,
        project_id -> Uuid,
        uploader_id -> Uuid,
        filename -> Varchar,
        original_filename -> Varchar,
        metadata -> Jsonb,
        size -> Nullable<Int8>,
        sha256 -> Nullable<Bpchar>,
        state -> Text,
        committed_size -> Int8,
        digest -> Nullable<Bytea>,
        mime_type -> Nullable<Varchar>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    content.stored_parts (id) {
        id -> Uuid,
        path -> Text,
        upload_id -> Nullable<Uuid>,
        blob_id -> Nullable<Uuid>,
        position -> Int8,
        size -> Int8,
        state -> Text,
        changed_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    documents,
    document_versions,
    file_attachments,
    uploads,
    stored_parts
);
