//! A task and the rules that need nothing but the task itself.

pub(crate) mod queries;
mod references;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::tasks;
use crate::schema::{TaskPriority, TaskStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::graph::GraphLock;

pub(crate) const MAX_TITLE_CHARS: usize = 255;
pub(crate) const MAX_MINUTES: i32 = 60_000_000;

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
    pub(crate) milestone_id: Option<Uuid>,
    pub(crate) start_date: Option<DateTime<Utc>>,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) estimated_minutes: Option<i32>,
    pub(crate) actual_minutes: Option<i32>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) number: i64,
    pub(crate) rank: String,
    pub(crate) manually_blocked: bool,
    /// The first part of the task's key. Not part of the row, and so not of the change log.
    #[diesel(select_expression = project_key(tasks::project_id), sql_type = Text)]
    #[serde(skip)]
    pub(crate) project_key: String,
    #[diesel(column_name = xmin)]
    #[serde(skip)]
    pub(crate) version: u32,
}

/// The task that has the references, or its project if it is new.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Referrer {
    Project(Uuid),
    Task(Uuid),
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
    pub(crate) milestone_id: Option<Uuid>,
    pub(crate) start_date: Option<DateTime<Utc>>,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) estimated_minutes: Option<i32>,
    pub(crate) actual_minutes: Option<i32>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Value,
}

diesel::define_sql_function! {
    /// For any caller.
    #[sql_name = "task.project_key"]
    fn project_key(project: diesel::sql_types::Uuid) -> Text;
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
    pub(crate) milestone_id: Option<Option<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_date: Option<Option<DateTime<Utc>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due_date: Option<Option<DateTime<Utc>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_minutes: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actual_minutes: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Value>,
}

/// The description of a start that is after the due date.
pub(crate) const START_AFTER_DUE: &str = "must not be later than due_at";

/// Whether a task with these dates would start after it is due.
pub(crate) fn is_after(start: Option<DateTime<Utc>>, due: Option<DateTime<Utc>>) -> bool {
    start.zip(due).is_some_and(|(start, due)| start > due)
}

/// No smaller than the bytes of a task with these fields in a message. JSON takes up to four times its text.
pub(crate) fn message_bytes(
    title: &str,
    description: Option<&str>,
    tags: &[String],
    metadata: &Value,
) -> usize {
    let tags: usize = tags.iter().map(|tag| tag.len() + 5).sum();
    600 + title.len() + description.map_or(0, str::len) + tags + 4 * metadata.to_string().len()
}

impl TaskChange {
    /// Whether it sets nothing but fields from which nothing else is derived, and which need no other row or lock.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(
            self,
            Self {
                parent_task_id: None,
                title: _,
                description: _,
                status: None,
                priority: _,
                assignee_id: None,
                milestone_id: None,
                start_date: None,
                due_date: _,
                estimated_minutes: None,
                actual_minutes: None,
                tags: _,
                metadata: None,
            }
        )
    }

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
    /// The name for people, like `DAF-42`.
    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.project_key, self.number)
    }

    /// Rejects a change that conflicts with the fields that stay.
    pub(crate) fn check(&self, change: &TaskChange) -> Result<()> {
        if change.due_date.flatten().is_some_and(|due| due <= self.created_at) {
            return Err(Error::invalid("task.due_at", "must be later than when the task was made"));
        }
        let start = change.start_date.unwrap_or(self.start_date);
        let due = change.due_date.unwrap_or(self.due_date);
        if (change.start_date.is_some() || change.due_date.is_some()) && is_after(start, due) {
            return Err(Error::invalid("task.start_at", START_AFTER_DUE));
        }
        Ok(())
    }
}
