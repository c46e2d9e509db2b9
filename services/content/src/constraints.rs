//! What the schema's constraints mean to a client.

use shared::database::{Constraint, Rule};

pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "documents_pkey", rule: Rule::Taken("document_id") },
    Constraint { name: "file_attachments_pkey", rule: Rule::Taken("id") },
    Constraint { name: "comments_pkey", rule: Rule::Taken("comment_id") },
    Constraint { name: "documents_project_id_fkey", rule: Rule::Missing("project") },
    Constraint { name: "documents_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "document_versions_author_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "file_attachments_uploader_id_fkey", rule: Rule::Missing("user") },
];

/// The constraints that a filter can violate.
pub(crate) const FILTER_CONSTRAINTS: &[Constraint] = &[Constraint {
    name: "search_query_has_words",
    rule: Rule::Invalid("filter.text", "must have a word to search for"),
}];

/// The constraints that a search can violate.
pub(crate) const SEARCH_CONSTRAINTS: &[Constraint] = &[Constraint {
    name: "search_query_has_words",
    rule: Rule::Invalid("query", "must have a word to search for"),
}];
