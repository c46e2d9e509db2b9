//! The project service over the real wire.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "failing is reporting here"
)]

mod access_feed;
mod access_states;
mod answer_invitations;
mod calls;
mod change_members;
mod change_projects;
mod consistency_tokens;
mod create_project;
mod delete_project;
mod fixtures;
mod get_project;
mod harness;
mod hidden_notifications;
mod history;
mod import_projects;
mod inbox_calls;
mod invitation_limits;
mod invitations;
mod issue_invitation;
mod join_projects;
mod leave_project;
mod list_members;
mod list_projects;
mod notification_preferences;
mod notifications;
mod ownership;
mod ownership_races;
mod past;
mod processes;
mod project_keys;
mod row_security;
mod status;
mod subscriptions;
mod transfer_project;
mod watch_inbox;
mod watch_load;
mod watch_project;
mod watcher;
mod webhook_calls;
mod webhook_deliveries;
mod webhook_endpoints;
mod webhook_pauses;
mod webhook_receiver;
mod webhook_replicas;
mod webhooks;
