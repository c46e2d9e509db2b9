//! The identity service, over the real wire.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "failing is reporting here")]

mod accounts;
mod api_tokens;
mod attempt_limits;
mod authenticator;
mod budgets;
mod codes;
mod database_copy;
mod database_roles;
mod encryption;
mod expiry;
mod fixtures;
mod harness;
mod import;
mod lock_order;
mod login;
mod login_flood;
mod outbox;
mod password_races;
mod passwords;
mod processes;
mod profiles;
mod python_client;
mod random_workload;
mod redis_outages;
mod refresh;
mod register;
mod response_times;
mod revocation_announcement;
mod second_factor;
mod second_factor_changes;
mod security_events;
mod service_codes;
mod session_lifetimes;
mod sessions;
mod sign_up;
mod user_administration;
mod user_lookup;
mod users;
