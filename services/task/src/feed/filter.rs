//! Which changes a watcher wishes for. What is empty does not filter.

use crate::schema::TaskStatus;
use shared::change_log::Operation;
use uuid::Uuid;

use super::Changed;
use crate::dependencies::Dependency;
use crate::tasks::Task;

/// Which changes a watcher wishes for.
#[derive(Clone, Debug, Default)]
pub(super) struct EventFilter {
    pub(super) operations: Vec<Operation>,
    pub(super) task_ids: Vec<Uuid>,
    pub(super) statuses: Vec<TaskStatus>,
    pub(super) assignee_id: Option<Uuid>,
    pub(super) exclude_dependencies: bool,
}

impl EventFilter {
    /// Whether a change passes: what it was about passed before it, or passes after it.
    pub(super) fn passes(&self, operation: Operation, changed: &Changed) -> bool {
        if !self.operations.is_empty() && !self.operations.contains(&operation) {
            return false;
        }
        match changed {
            Changed::Task { before, after } => {
                [before, after].into_iter().flatten().any(|task| self.passes_task(task))
            }
            Changed::Dependency { before, after, .. } => {
                !self.exclude_dependencies
                    && [before, after].into_iter().flatten().any(|dependency| self.passes_link(dependency))
            }
        }
    }

    fn passes_task(&self, task: &Task) -> bool {
        (self.task_ids.is_empty() || self.task_ids.contains(&task.id))
            && (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && (self.assignee_id.is_none() || self.assignee_id == task.assignee_id)
    }

    fn passes_link(&self, dependency: &Dependency) -> bool {
        self.task_ids.is_empty()
            || self.task_ids.contains(&dependency.task_id)
            || self.task_ids.contains(&dependency.depends_on_task_id)
    }
}
