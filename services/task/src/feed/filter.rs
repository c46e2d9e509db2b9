//! Filters of task events. An empty condition does not filter.

use crate::schema::TaskStatus;
use proto::common::ResourceType;
use shared::change_log::{Operation, Record};
use uuid::Uuid;

use super::ChangedResource;
use crate::dependencies::Dependency;
use crate::tasks::Task;

#[derive(Clone, Debug, Default)]
pub(super) struct EventFilter {
    pub(super) operations: Vec<Operation>,
    pub(super) resource_types: Vec<ResourceType>,
    pub(super) actor_id: Option<Uuid>,
    pub(super) task_ids: Vec<Uuid>,
    pub(super) statuses: Vec<TaskStatus>,
    pub(super) assignee_ids: Vec<Uuid>,
}

impl EventFilter {
    /// A change matches if the resource matched before it or matches after it.
    pub(super) fn matches(&self, record: &Record, changed: &ChangedResource) -> bool {
        is_among(&self.operations, &record.operation)
            && is_among(&self.resource_types, &changed.resource_type())
            && (self.actor_id.is_none() || self.actor_id == record.actor_id)
            && match changed {
                ChangedResource::Task { before, after } => {
                    [before, after].into_iter().flatten().any(|task| self.matches_task(task))
                }
                ChangedResource::Dependency { before, after, .. } => [before, after]
                    .into_iter()
                    .flatten()
                    .any(|dependency| self.matches_dependency(dependency)),
                ChangedResource::TimeEntry { before, after } => [before, after]
                    .into_iter()
                    .flatten()
                    .any(|entry| is_among(&self.task_ids, &entry.task_id)),
                ChangedResource::Milestone { .. } => self.task_ids.is_empty(),
            }
    }

    fn matches_task(&self, task: &Task) -> bool {
        is_among(&self.task_ids, &task.id)
            && is_among(&self.statuses, &task.status)
            && (self.assignee_ids.is_empty()
                || task.assignee_id.is_some_and(|assignee| self.assignee_ids.contains(&assignee)))
    }

    fn matches_dependency(&self, dependency: &Dependency) -> bool {
        is_among(&self.task_ids, &dependency.task_id)
            || self.task_ids.contains(&dependency.depends_on_task_id)
    }
}

fn is_among<T: PartialEq>(values: &[T], value: &T) -> bool {
    values.is_empty() || values.contains(value)
}
