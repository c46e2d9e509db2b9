//! Filters of task events. An empty condition does not filter.

use crate::schema::TaskStatus;
use shared::change_log::Operation;
use uuid::Uuid;

use super::Changed;
use crate::dependencies::Dependency;
use crate::tasks::Task;

#[derive(Clone, Debug, Default)]
pub(super) struct EventFilter {
    pub(super) operations: Vec<Operation>,
    pub(super) task_ids: Vec<Uuid>,
    pub(super) statuses: Vec<TaskStatus>,
    pub(super) assignee_id: Option<Uuid>,
    pub(super) exclude_dependencies: bool,
}

impl EventFilter {
    /// A change matches if the resource matched before it or matches after it.
    pub(super) fn matches(&self, operation: Operation, changed: &Changed) -> bool {
        if !self.operations.is_empty() && !self.operations.contains(&operation) {
            return false;
        }
        match changed {
            Changed::Task { before, after } => {
                [before, after].into_iter().flatten().any(|task| self.matches_task(task))
            }
            Changed::Dependency { before, after, .. } => {
                !self.exclude_dependencies
                    && [before, after]
                        .into_iter()
                        .flatten()
                        .any(|dependency| self.matches_dependency(dependency))
            }
        }
    }

    fn matches_task(&self, task: &Task) -> bool {
        (self.task_ids.is_empty() || self.task_ids.contains(&task.id))
            && (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && (self.assignee_id.is_none() || self.assignee_id == task.assignee_id)
    }

    fn matches_dependency(&self, dependency: &Dependency) -> bool {
        self.task_ids.is_empty()
            || self.task_ids.contains(&dependency.task_id)
            || self.task_ids.contains(&dependency.depends_on_task_id)
    }
}
