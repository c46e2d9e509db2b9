//! The content service over the real wire.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "failing is reporting here")]

mod attachments;
mod comment_anchors;
mod comment_lists;
mod comment_threads;
mod comments;
mod create_document;
mod diff_versions;
mod download;
mod edit_conflicts;
mod edit_content;
mod equal_files;
mod event_feed;
mod fixtures;
mod garbage_collection;
mod harness;
mod import_attachment;
mod import_comments;
mod import_documents;
mod interrupted_uploads;
mod kills;
mod list_documents;
mod replicas;
mod resumable_uploads;
mod round_trips;
mod row_security;
mod s3;
mod search;
mod status_transitions;
mod update_document;
mod upload_attachment;
mod upload_memory;
mod version_histories;
mod versions;
mod watch_comments;
mod watch_documents;
mod write_without_read;
