//! Tables of the content service.

use proto::content::v1 as content;
use shared::pg_enum;

pg_enum! {
    /// Where a document stands.
    DocumentStatus as SqlDocumentStatus in "content"."document_status" is content::DocumentStatus {
        /// Being written.
        Draft = "draft",
        /// Being looked at.
        Review = "review",
        /// Released.
        Published = "published",
        /// Read-only.
        Archived = "archived",
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::SqlDocumentStatus;
    /// Documents.
    content.documents (id) {
        /// Key.
        id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// Title.
        title -> Varchar,
        /// Newest content.
        content -> Nullable<Text>,
        /// Kind of text.
        content_type -> Varchar,
        /// Who made it.
        author_id -> Uuid,
        /// Number of the newest version.
        version -> Int4,
        /// Where it stands.
        status -> SqlDocumentStatus,
        /// Labels.
        tags -> Array<Text>,
        /// Data of the application.
        metadata -> Jsonb,
        /// Made.
        created_at -> Timestamptz,
        /// Last changed.
        updated_at -> Timestamptz,
        /// Last published.
        published_at -> Nullable<Timestamptz>,
        /// Version of the row.
        xmin -> Oid,
    }
}

diesel::table! {
    /// Documents as they once were.
    content.document_versions (id) {
        /// Key.
        id -> Uuid,
        /// Document.
        document_id -> Uuid,
        /// From 1, without gaps.
        version_number -> Int4,
        /// Title then.
        title -> Varchar,
        /// Whole content.
        content -> Text,
        /// What changed.
        change_summary -> Nullable<Text>,
        /// Who made it.
        author_id -> Uuid,
        /// Made.
        created_at -> Timestamptz,
    }
}

diesel::table! {
    /// Files.
    content.file_attachments (id) {
        /// Key.
        id -> Uuid,
        /// `task`, `document` or `project`.
        entity_type -> Varchar,
        /// What it is attached to.
        entity_id -> Uuid,
        /// Safe name.
        filename -> Varchar,
        /// Given name.
        original_filename -> Varchar,
        /// Bytes.
        file_size -> Int8,
        /// Kind, from the bytes.
        mime_type -> Varchar,
        /// Where the bytes are.
        storage_path -> Text,
        /// Who uploaded it.
        uploader_id -> Uuid,
        /// Data of the application.
        metadata -> Jsonb,
        /// Uploaded.
        created_at -> Timestamptz,
        /// Project.
        project_id -> Uuid,
        /// SHA-256 of the bytes, hexadecimal.
        sha256 -> Bpchar,
        /// Its bytes.
        blob_id -> Uuid,
    }
}

diesel::table! {
    /// Files on their way.
    content.uploads (id) {
        /// Key.
        id -> Uuid,
        /// The attachment that it becomes.
        attachment_id -> Uuid,
        /// `task`, `document` or `project`.
        entity_type -> Varchar,
        /// What it is attached to.
        entity_id -> Uuid,
        /// Project.
        project_id -> Uuid,
        /// Who uploads it.
        uploader_id -> Uuid,
        /// Safe name.
        filename -> Varchar,
        /// Given name.
        original_filename -> Varchar,
        /// Data of the application.
        metadata -> Jsonb,
        /// Bytes, as announced.
        size -> Nullable<Int8>,
        /// SHA-256, as announced.
        sha256 -> Nullable<Bpchar>,
        /// `open`, `completed`, `cancelled` or `expired`.
        state -> Text,
        /// Bytes that are stored.
        committed_size -> Int8,
        /// State of SHA-256 after them.
        digest -> Nullable<Bytea>,
        /// Kind, from the bytes.
        mime_type -> Nullable<Varchar>,
        /// Begun.
        created_at -> Timestamptz,
        /// When it ends by itself.
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    /// Objects of the store.
    content.stored_parts (id) {
        /// Key.
        id -> Uuid,
        /// Name in the store.
        path -> Text,
        /// The upload that it is of.
        upload_id -> Nullable<Uuid>,
        /// The blob that it is of.
        blob_id -> Nullable<Uuid>,
        /// Of its first byte in the file.
        position -> Int8,
        /// Bytes.
        size -> Int8,
        /// `pending`, `stored` or `garbage`.
        state -> Text,
        /// When its state last changed.
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
