//! Which items of a batch of tasks may be stored. Pure: what is known is looked up before.

use std::collections::{HashMap, HashSet};

use proto::common::ImportResult;
use shared::import::{refused, unchanged};
use uuid::Uuid;

use crate::tasks::Task;

/// A task from elsewhere, under the number that the caller gave it; or why it is malformed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) task: Result<Box<Task>, String>,
}

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The project of each task.
    pub(super) tasks: HashMap<Uuid, Uuid>,
    pub(super) projects: HashSet<Uuid>,
    pub(super) users: HashSet<Uuid>,
}

/// What is to become of an item.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is to be stored.
    Store(u64, Box<Task>),
    /// It is decided already.
    Done(ImportResult),
}

impl Known {
    /// Decides about items in their order: what is to be stored is known to those after it.
    pub(super) fn judge(mut self, items: Vec<Item>) -> Vec<Verdict> {
        items.into_iter().map(|item| self.judge_one(item)).collect()
    }

    fn judge_one(&mut self, item: Item) -> Verdict {
        let line = item.line;
        let task = match item.task {
            Ok(task) => task,
            Err(sentence) => return Verdict::Done(refused(line, sentence)),
        };
        if self.tasks.contains_key(&task.id) {
            return Verdict::Done(unchanged(line));
        }
        if let Some(sentence) = self.objection(&task) {
            return Verdict::Done(refused(line, sentence));
        }
        self.tasks.insert(task.id, task.project_id);
        Verdict::Store(line, task)
    }

    fn objection(&self, task: &Task) -> Option<&'static str> {
        if !self.projects.contains(&task.project_id) {
            return Some("project_id names no project");
        }
        if !self.users.contains(&task.creator_id) {
            return Some("creator_id names no user");
        }
        if task.assignee_id.is_some_and(|assignee| !self.users.contains(&assignee)) {
            return Some("assignee_id names no user");
        }
        match task.parent_task_id.map(|parent| self.tasks.get(&parent)) {
            Some(None) => Some("parent_task_id names no task"),
            Some(Some(project)) if *project != task.project_id => {
                Some("parent_task_id names a task of another project")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TaskPriority, TaskStatus};
    use chrono::Utc;
    use proptest::prelude::*;

    fn id(number: u8) -> Uuid {
        Uuid::from_u128(u128::from(number) + 1)
    }

    fn task(number: u8, project: u8, parent: Option<u8>) -> Task {
        Task {
            id: id(number),
            project_id: id(project),
            parent_task_id: parent.map(id),
            title: "t".to_owned(),
            description: None,
            status: TaskStatus::Pending,
            priority: TaskPriority::Medium,
            assignee_id: None,
            creator_id: id(0),
            due_date: None,
            estimated_hours: None,
            actual_hours: None,
            tags: Vec::new(),
            metadata: serde_json::json!({}),
            created_at: Utc::now(),
            updated_at: Utc::now(),
            completed_at: None,
            number: 0,
            key: String::new(),
            rank: String::new(),
            manually_blocked: false,
            version: 0,
        }
    }

    proptest! {
        #[test]
        fn a_stored_parent_comes_first_and_is_in_the_same_project(
            batch in proptest::collection::vec((0..20_u8, 0..3_u8, proptest::option::of(0..20_u8)), 0..40)
        ) {
            let known = Known {
                projects: HashSet::from([id(0), id(1)]),
                users: HashSet::from([id(0)]),
                ..Known::default()
            };
            let items = batch.iter().map(|(number, project, parent)| Item {
                line: u64::from(*number),
                task: Ok(Box::new(task(*number, *project, *parent))),
            });
            let mut stored = HashMap::new();
            for verdict in known.judge(items.collect()) {
                let Verdict::Store(_, task) = verdict else { continue };
                prop_assert!(task.project_id != id(2));
                if let Some(parent) = task.parent_task_id {
                    prop_assert_eq!(stored.get(&parent), Some(&task.project_id));
                }
                prop_assert!(stored.insert(task.id, task.project_id).is_none());
            }
        }
    }
}
