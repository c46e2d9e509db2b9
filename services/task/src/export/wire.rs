//! Conversions of exported rows to proto.

use crate::schema::TaskStatus;
use proto::task::admin::v1 as pb;
use shared::json::{to_struct, to_timestamp};

use super::queries::TaskCounter;
use crate::dependencies::Dependency;
use crate::milestones::Milestone;
use crate::tasks::Task;
use crate::tasks::wire::work;
use crate::time_entries::TimeEntry;

impl From<TaskCounter> for pb::ImportedTaskCounter {
    fn from(TaskCounter { project_id, last_number }: TaskCounter) -> Self {
        Self { line: 0, project_id: project_id.to_string(), last_number }
    }
}

impl From<Milestone> for pb::ImportedMilestone {
    fn from(milestone: Milestone) -> Self {
        Self {
            line: 0,
            id: milestone.id.to_string(),
            project_id: milestone.project_id.to_string(),
            name: milestone.name,
            description: milestone.description,
            due_at: milestone.due_date.map(to_timestamp),
            created_at: Some(to_timestamp(milestone.created_at)),
            updated_at: Some(to_timestamp(milestone.updated_at)),
        }
    }
}

impl From<Task> for pb::ImportedTask {
    fn from(task: Task) -> Self {
        // A derived `blocked` is derived again when the dependencies are imported.
        let only_waits = task.status == TaskStatus::Blocked && !task.manually_blocked;
        let status = if only_waits { TaskStatus::Pending } else { task.status };
        Self {
            line: 0,
            id: task.id.to_string(),
            project_id: task.project_id.to_string(),
            parent_task_id: task.parent_task_id.map(|id| id.to_string()),
            title: task.title,
            description: task.description,
            status: status.into(),
            priority: task.priority.into(),
            assignee_id: task.assignee_id.map(|id| id.to_string()),
            creator_id: task.creator_id.to_string(),
            milestone_id: task.milestone_id.map(|id| id.to_string()),
            start_at: task.start_date.map(to_timestamp),
            due_at: task.due_date.map(to_timestamp),
            estimated_duration: task.estimated_minutes.map(|minutes| work(minutes.into())),
            actual_duration: task.actual_minutes.map(|minutes| work(minutes.into())),
            tags: task.tags,
            metadata: Some(to_struct(&task.metadata)),
            created_at: Some(to_timestamp(task.created_at)),
            updated_at: Some(to_timestamp(task.updated_at)),
            completed_at: task.completed_at.map(to_timestamp),
            number: task.number,
            rank: Some(task.rank),
        }
    }
}

impl From<Dependency> for pb::ImportedTaskDependency {
    fn from(dependency: Dependency) -> Self {
        Self {
            line: 0,
            id: Some(dependency.id.to_string()),
            task_id: dependency.task_id.to_string(),
            depends_on_task_id: dependency.depends_on_task_id.to_string(),
            dependency_type: dependency.dependency_type.into(),
            created_at: Some(to_timestamp(dependency.created_at)),
        }
    }
}

impl From<TimeEntry> for pb::ImportedTimeEntry {
    fn from(entry: TimeEntry) -> Self {
        Self {
            line: 0,
            id: entry.id.to_string(),
            task_id: entry.task_id.to_string(),
            user_id: entry.user_id.to_string(),
            started_at: Some(to_timestamp(entry.started_at)),
            ended_at: entry.ended_at.map(to_timestamp),
            note: entry.note,
            created_at: Some(to_timestamp(entry.created_at)),
            updated_at: Some(to_timestamp(entry.updated_at)),
        }
    }
}
