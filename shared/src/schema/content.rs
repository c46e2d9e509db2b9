//! Tables of the content service.

diesel::table! {
    use diesel::sql_types::*;
    use crate::schema::SqlDocumentStatus;
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
    }
}

diesel::allow_tables_to_appear_in_same_query!(documents, document_versions, file_attachments);
