//! What the schema's constraints mean to a client.

use shared::database::{Constraint, Rule};

pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "documents_pkey", rule: Rule::Taken("document_id") },
    Constraint { name: "file_attachments_pkey", rule: Rule::Taken("id") },
    Constraint { name: "documents_project_id_fkey", rule: Rule::Missing("project") },
    Constraint { name: "documents_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "document_versions_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "file_attachments_uploader_id_fkey", rule: Rule::Missing("user") },
];
