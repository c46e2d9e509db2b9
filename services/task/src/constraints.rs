//! The client errors that the database's constraints map to.

use shared::database::{Constraint, Rule};
use shared::error::ErrorReason;

use crate::tasks::START_AFTER_DUE;
use crate::time_entries::ENDS_TOO_EARLY;

/// The constraints that an insert or update can violate.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "tasks_pkey", rule: Rule::Taken("id") },
    Constraint { name: "tasks_parent_task_id_fkey", rule: Rule::Missing("task") },
    Constraint { name: "tasks_project_id_fkey", rule: Rule::Missing("project") },
    Constraint { name: "tasks_assignee_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "tasks_creator_id_fkey", rule: Rule::Missing("user") },
    Constraint {
        name: "parent_in_same_project",
        rule: Rule::Invalid("task.parent_task_id", "must be a task of the same project"),
    },
    Constraint {
        name: "chk_due_date_future",
        rule: Rule::Invalid("task.due_at", "must be later than when the task was made"),
    },
    Constraint { name: "chk_start_date", rule: Rule::Invalid("task.start_at", START_AFTER_DUE) },
    Constraint {
        name: "no_dependency_cycle",
        rule: Rule::Forbidden(ErrorReason::DependencyCycle, "this would close a cycle", Some("cycle")),
    },
    Constraint {
        name: "valid_status_transition",
        rule: Rule::Forbidden(
            ErrorReason::InvalidStatusTransition,
            "a task of this status does not become that",
            Some("status"),
        ),
    },
    Constraint {
        name: "dependency_search_limit",
        rule: Rule::Forbidden(
            ErrorReason::PlanTooLarge,
            "too many tasks are connected with both tasks to search for a cycle",
            None,
        ),
    },
    Constraint {
        name: "no_open_blockers",
        rule: Rule::Forbidden(
            ErrorReason::TaskBlocked,
            "tasks that block this one are open",
            Some("blockers"),
        ),
    },
    Constraint {
        name: "task_dependencies_task_id_depends_on_task_id_key",
        rule: Rule::Taken("depends_on_task_id"),
    },
    Constraint { name: "idx_task_dependencies_related", rule: Rule::Taken("depends_on_task_id") },
    Constraint { name: "milestones_pkey", rule: Rule::Taken("id") },
    Constraint { name: "tasks_milestone_id_fkey", rule: Rule::Missing("milestone") },
    Constraint { name: "time_entries_pkey", rule: Rule::Taken("id") },
    Constraint { name: "time_entries_task_id_fkey", rule: Rule::Missing("task") },
    Constraint { name: "chk_time_entry_span", rule: Rule::Invalid("time_entry.ended_at", ENDS_TOO_EARLY) },
    Constraint {
        name: "idx_time_entries_running",
        rule: Rule::Forbidden(ErrorReason::TimeEntryRunning, "the user has a running time entry", None),
    },
    Constraint { name: "task_dependencies_task_id_fkey", rule: Rule::Missing("task") },
    Constraint { name: "task_dependencies_depends_on_task_id_fkey", rule: Rule::Missing("task") },
];

/// The constraints that deleting a task can violate.
pub(crate) const DELETE_CONSTRAINTS: &[Constraint] = &[Constraint {
    name: "tasks_parent_task_id_fkey",
    rule: Rule::Forbidden(ErrorReason::HasSubtasks, "the task has subtasks; delete or move them first", None),
}];

const SUBTREE_SIZE_LIMIT: Constraint = Constraint {
    name: "subtree_size_limit",
    rule: Rule::Invalid("filter.ancestor_task_id", "has more than 10,000 tasks below it"),
};

/// The constraints that a filter can violate.
pub(crate) const FILTER_CONSTRAINTS: &[Constraint] = &[
    SUBTREE_SIZE_LIMIT,
    Constraint {
        name: "search_query_has_words",
        rule: Rule::Invalid("filter.text", "must have a word to search for"),
    },
];

/// The constraints that a search can violate.
pub(crate) const SEARCH_CONSTRAINTS: &[Constraint] = &[
    SUBTREE_SIZE_LIMIT,
    Constraint {
        name: "search_query_has_words",
        rule: Rule::Invalid("query", "must have a word to search for"),
    },
];
