//! All four services in one process: the local default (`dafnck`), the operator's commands, and what tests use.

pub mod administration;
pub mod backup;
pub mod bench;
mod certificates;
pub mod descriptors;
pub mod dev_ca;
pub mod doctor;
pub mod end_sessions;
pub mod export;
pub mod files;
pub mod health;
pub mod import;
pub mod interchange;
pub mod maintain;
pub mod manual;
pub mod migrations;
pub mod operator;
pub mod paths;
pub mod progress;
pub mod reference;
pub mod restore;
pub mod rotate_keys;
pub mod run;
pub mod secrets;
pub mod services;
pub mod user;
