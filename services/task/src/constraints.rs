//! What the database's constraints mean to a client.

use std::collections::HashSet;

use shared::caller::Caller;
use shared::database::{Constraint, Rule};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use crate::handlers::Handlers;
use crate::tasks::queries::visible;

/// Stands for a task that the caller may not see.
const HIDDEN: &str = "hidden";

/// The metadata keys that name tasks.
const NAME_TASKS: [&str; 2] = ["cycle", "blockers"];

/// The constraints of the schema that a write may break.
pub(crate) const CONSTRAINTS: &[Constraint] = &[
    Constraint { name: "tasks_pkey", rule: Rule::Taken("task_id") },
    Constraint { name: "tasks_parent_task_id_fkey", rule: Rule::Missing("task") },
    Constraint { name: "tasks_project_id_fkey", rule: Rule::Missing("project") },
    Constraint { name: "tasks_assignee_id_fkey", rule: Rule::Missing("user") },
    Constraint { name: "tasks_creator_id_fkey", rule: Rule::Missing("user") },
    Constraint {
        name: "parent_in_same_project",
        rule: Rule::Invalid("parent_task_id", "must be a task of the same project"),
    },
    Constraint {
        name: "chk_due_date_future",
        rule: Rule::Invalid("due_date", "must be later than when the task was made"),
    },
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
    Constraint { name: "project_numbers_key_key", rule: Rule::Taken("key") },
    Constraint {
        name: "project_key_immutable",
        rule: Rule::Forbidden(
            ErrorReason::ProjectKeyImmutable,
            "the project has too many tasks to be renamed",
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
    Constraint { name: "task_dependencies_task_id_fkey", rule: Rule::Missing("task") },
    Constraint { name: "task_dependencies_depends_on_task_id_fkey", rule: Rule::Missing("task") },
];

/// The constraints that deleting a task may break.
pub(crate) const DELETION: &[Constraint] = &[Constraint {
    name: "tasks_parent_task_id_fkey",
    rule: Rule::Forbidden(ErrorReason::HasSubtasks, "the task has subtasks; delete or move them first", None),
}];

/// What a filter may run into.
pub(crate) const FILTERS: &[Constraint] = &[Constraint {
    name: "subtree_size_limit",
    rule: Rule::Invalid("filter.ancestor_task_id", "has more than 10,000 tasks below it"),
}];

impl Handlers {
    /// Hides the tasks in a refusal that the caller may not see. Cycles and blockers are found across projects,
    /// whoever asks.
    pub(crate) async fn hide_invisible(&self, caller: &Caller, refusal: Error) -> Error {
        let Error::Precondition { reason, message, metadata } = refusal else { return refusal };
        let mut shown = Vec::with_capacity(metadata.len());
        for (key, ids) in metadata {
            if !NAME_TASKS.contains(&key) {
                shown.push((key, ids));
                continue;
            }
            let visible = self.visible_of(caller, &ids).await.unwrap_or_default();
            shown.push((key, hide(&ids, &visible)));
        }
        Error::Precondition { reason, message, metadata: shown }
    }

    async fn visible_of(&self, caller: &Caller, ids: &str) -> Result<HashSet<Uuid>> {
        let ids: Vec<Uuid> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
        let tx = self.context.database.begin(caller).await?;
        let visible = visible(&tx, &ids).await?;
        tx.finish();
        Ok(visible.into_iter().collect())
    }
}

fn hide(ids: &str, visible: &HashSet<Uuid>) -> String {
    let is_visible = |id: &str| id.parse().is_ok_and(|id: Uuid| visible.contains(&id));
    ids.split(',').map(|id| if is_visible(id) { id } else { HIDDEN }).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_visible_is_named() {
        let [mine, other] = [Uuid::now_v7(), Uuid::now_v7()];
        let shown = hide(&format!("{mine},{other},{mine}"), &HashSet::from([mine]));
        assert_eq!(shown, format!("{mine},hidden,{mine}"));
    }
}
