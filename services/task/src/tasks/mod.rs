//! A task and the rules that need nothing but the task itself.

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

use crate::graph::GraphLock;

pub(crate) const MAX_TITLE_CHARS: usize = 255;
pub(crate) const MAX_HOURS: i32 = 1_000_000;

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

/// A task to insert. The database sets its number, its rank and its times.
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

/// The fields to change: `None` keeps a field, `Some(None)` clears it.
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
    /// The lock of the graph that the change needs.
    pub(crate) fn graph_lock(&self) -> Option<GraphLock> {
        match (self.parent_task_id, self.status) {
            (Some(_), _) => Some(GraphLock::Exclusive),
            (None, Some(_)) => Some(GraphLock::Status),
            (None, None) => None,
        }
    }
}

impl Task {
    /// Rejects a change that conflicts with the fields that stay.
    pub(crate) fn check(&self, change: &TaskChange) -> Result<()> {
        match change.due_date {
            Some(Some(due)) if due <= self.created_at => {
                Err(Error::invalid("task.due_date", "must be later than when the task was made"))
            }
            _ => Ok(()),
        }
    }
}
