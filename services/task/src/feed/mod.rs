//! Events of tasks, dependencies, time entries and milestones, read from the change log. [`shared::change_log::feed`] delivers them.

mod filter;
pub(crate) mod rpc;
mod watch;
pub(crate) mod wire;

use proto::common::ResourceType;
use serde::Deserialize;
use shared::change_log::Record;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::dependencies::Dependency;
use crate::milestones::Milestone;
use crate::tasks::Task;
use crate::time_entries::TimeEntry;

/// The resource before and after a change.
#[derive(Clone, Debug)]
pub(crate) enum ChangedResource {
    Task {
        before: Option<Box<Task>>,
        after: Option<Box<Task>>,
    },
    Dependency {
        before: Option<Dependency>,
        after: Option<Dependency>,
        /// The other project of a dependency between two projects: the event requires access to both.
        other_project: Option<Uuid>,
    },
    TimeEntry {
        before: Option<Box<TimeEntry>>,
        after: Option<Box<TimeEntry>>,
    },
    Milestone {
        before: Option<Box<Milestone>>,
        after: Option<Box<Milestone>>,
    },
}

impl ChangedResource {
    /// `None` for changes that are not part of the API.
    pub(crate) fn of(record: &Record) -> Result<Option<Self>> {
        Ok(match record.entity.as_str() {
            "tasks" => {
                let after: Option<Box<Task>> = record.after()?;
                let version = record.row_version();
                let after = after.map(|task| Box::new(Task { version, ..*task }));
                Some(Self::Task { before: record.before()?, after })
            }
            "task_dependencies" => Some(Self::Dependency {
                before: record.before()?,
                after: record.after()?,
                other_project: other_project(record)?,
            }),
            "time_entries" => {
                let after: Option<Box<TimeEntry>> = record.after()?;
                let version = record.row_version();
                let after = after.map(|entry| Box::new(TimeEntry { version, ..*entry }));
                Some(Self::TimeEntry { before: record.before()?, after })
            }
            "milestones" => {
                let after: Option<Box<Milestone>> = record.after()?;
                let version = record.row_version();
                let after = after.map(|milestone| Box::new(Milestone { version, ..*milestone }));
                Some(Self::Milestone { before: record.before()?, after })
            }
            _ => None,
        })
    }

    pub(crate) fn resource_type(&self) -> ResourceType {
        match self {
            Self::Task { .. } => ResourceType::Task,
            Self::Dependency { .. } => ResourceType::TaskDependency,
            Self::TimeEntry { .. } => ResourceType::TimeEntry,
            Self::Milestone { .. } => ResourceType::Milestone,
        }
    }

    /// With the key of the tasks' project, which the log does not hold.
    pub(crate) fn with_project_key(mut self, key: &str) -> Self {
        if let Self::Task { before, after } = &mut self {
            [before, after].into_iter().flatten().for_each(|task| key.clone_into(&mut task.project_key));
        }
        self
    }
}

fn other_project(record: &Record) -> Result<Option<Uuid>> {
    let values = record.new_values.as_ref().or(record.old_values.as_ref());
    let named = values.and_then(|values| values.get("other_project_id"));
    named.map(Uuid::deserialize).transpose().map_err(Error::internal)
}
