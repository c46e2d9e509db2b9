//! All four services in one process: the local default (`dafnck`), the operator's commands, and what tests use.

pub mod administration;
pub mod backup;
pub mod bench;
mod call_error;
mod certificates;
mod console;
pub mod descriptors;
pub mod dev_ca;
pub mod doctor;
pub mod end_sessions;
mod error_report;
pub mod export;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
pub mod health;
pub mod help;
pub mod import;
pub mod interchange;
pub mod maintain;
pub mod manual;
pub mod migrations;
pub mod operator;
pub mod output;
pub mod paths;
pub mod ports;
mod private_file;
pub mod progress;
pub mod reference;
pub mod restore;
pub mod rotate_keys;
pub mod run;
pub mod secrets;
pub mod services;
pub mod suite_settings;
pub mod user;
mod written_files;
