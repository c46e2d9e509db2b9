//! The content service over the real wire.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "failing is reporting here")]

mod attachments;
mod budgets;
mod cleanup;
mod create_document;
mod diff_versions;
mod download;
mod edit_conflicts;
mod edit_content;
mod equal_files;
mod faults;
mod fixtures;
mod harness;
mod history;
mod import_attachment;
mod import_documents;
mod list_documents;
mod processes;
mod resuming;
mod row_security;
mod s3;
mod search;
mod steps;
mod update_document;
mod upload;
mod uploads;
mod versions;
