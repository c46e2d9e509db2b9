//! The targets of requests, whose projects decide what a caller may do.

use shared::access::AccessTarget;
use uuid::Uuid;

use crate::task_keys::TaskKey;

pub(crate) fn task(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("task.project_of_task", "task", id)
}

/// A task that may have been deleted, as long as the change log has it.
pub(crate) fn logged_task(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("task.project_of_logged_task", "task", id)
}

pub(crate) fn milestone(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("task.project_of_milestone", "milestone", id)
}

pub(crate) fn time_entry(id: Uuid) -> AccessTarget {
    AccessTarget::found_by("task.project_of_time_entry", "time_entry", id)
}

pub(crate) fn task_key(key: TaskKey) -> AccessTarget {
    AccessTarget::found_by_name("task.project_of_task_key", "task", key.to_string())
}
