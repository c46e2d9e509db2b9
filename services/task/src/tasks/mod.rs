//! A task, and the rules that need nothing but the task itself.

pub(crate) mod queries;
mod references;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::tasks;
use crate::schema::{TaskPriority, TaskStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::graph::Entry;

/// Longest title, in characters.
pub(crate) const MAX_TITLE_CHARS: usize = 255;
/// Most hours of work.
pub(crate) const MAX_HOURS: i32 = 1_000_000;

/// A task.
#[derive(Clone, Debug, Queryable, QueryableByName, Selectable, Serialize, Deserialize)]
#[diesel(table_name = tasks)]
pub(crate) struct Task {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) parent_task_id: Option<Uuid>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) status: TaskStatus,
    pub(crate) priority: TaskPriority,
    pub(crate) assignee_id: Option<Uuid>,
    pub(crate) creator_id: Uuid,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) estimated_hours: Option<i32>,
    pub(crate) actual_hours: Option<i32>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    // What the log of changes does not hold of earlier days: numbers came later.
    #[serde(default)]
    pub(crate) number: i64,
    #[serde(default)]
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) rank: String,
    #[serde(default)]
    pub(crate) manually_blocked: bool,
    #[diesel(column_name = xmin)]
    #[serde(skip)]
    pub(crate) version: u32,
}

/// A task that is to be made. The database says when that was.
#[derive(Clone, Debug, Insertable, Serialize)]
#[diesel(table_name = tasks, treat_none_as_default_value = false)]
pub(crate) struct NewTask {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) parent_task_id: Option<Uuid>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) status: TaskStatus,
    pub(crate) priority: TaskPriority,
    pub(crate) assignee_id: Option<Uuid>,
    pub(crate) creator_id: Uuid,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) estimated_hours: Option<i32>,
    pub(crate) actual_hours: Option<i32>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Value,
}

/// What is to change of a task: `None` leaves a field, `Some(None)` empties it.
#[derive(Clone, Debug, Default, AsChangeset, Serialize)]
#[diesel(table_name = tasks)]
pub(crate) struct TaskChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_task_id: Option<Option<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<TaskStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<TaskPriority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assignee_id: Option<Option<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due_date: Option<Option<DateTime<Utc>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_hours: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual_hours: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Value>,
}

impl TaskChange {
    /// How the change takes part in the graph.
    pub(crate) fn entry(&self) -> Option<Entry> {
        match (self.parent_task_id, self.status) {
            (Some(_), _) => Some(Entry::Alone),
            (None, Some(_)) => Some(Entry::Status),
            (None, None) => None,
        }
    }
}

impl Task {
    /// Whether the change fits what stays.
    pub(crate) fn check(&self, change: &TaskChange) -> Result<()> {
        match change.due_date {
            Some(Some(due)) if due <= self.created_at => {
                Err(Error::invalid("task.due_date", "must be later than when the task was made"))
            }
            _ => Ok(()),
        }
    }
}
