//! The task service over the real wire.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "failing is reporting here")]

mod batch;
mod bulk_rows;
mod complete;
mod concurrency;
mod create;
mod delete;
mod dependencies;
mod event_feed;
mod facets;
mod feed;
mod feed_access;
mod feed_load;
mod feed_replica;
mod fixtures;
mod freshness;
mod get;
mod harness;
mod history;
mod import;
mod import_dependencies;
mod large_project;
mod list;
mod list_filters;
mod list_model;
mod list_orders;
mod list_plans;
mod list_projects;
mod milestones;
mod my_work;
mod numbers;
mod order;
mod plan;
mod plan_dates;
mod processes;
mod progress;
mod project_service_outage;
mod real_cycles;
mod row_security;
mod search;
mod status;
mod task_lookup;
mod time_entries;
mod time_reports;
mod update;
