//! Decides which items of a batch may be inserted. Pure: what exists is looked up before.

use std::collections::{HashMap, HashSet};

use proto::common::ImportResult;
use shared::import::{refused, unchanged};
use uuid::Uuid;

use crate::tasks::Task;

/// An imported task, or why it is malformed, under the caller's line number.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) task: Result<Box<Task>, String>,
}

#[derive(Debug, Default)]
pub(super) struct ExistingIds {
    /// The project of each existing task.
    pub(super) tasks: HashMap<Uuid, Uuid>,
    pub(super) projects: HashSet<Uuid>,
    pub(super) users: HashSet<Uuid>,
}

#[derive(Debug)]
pub(super) enum ImportDecision {
    Insert(u64, Box<Task>),
    Resolved(ImportResult),
}

impl ExistingIds {
    /// Decides items in their order: later items may refer to earlier ones.
    pub(super) fn decide(mut self, items: Vec<Item>) -> Vec<ImportDecision> {
        items.into_iter().map(|item| self.decide_item(item)).collect()
    }

    fn decide_item(&mut self, item: Item) -> ImportDecision {
        let line = item.line;
        let task = match item.task {
            Ok(task) => task,
            Err(sentence) => return ImportDecision::Resolved(refused(line, sentence)),
        };
        if self.tasks.contains_key(&task.id) {
            return ImportDecision::Resolved(unchanged(line));
        }
        if let Some(sentence) = self.objection(&task) {
            return ImportDecision::Resolved(refused(line, sentence));
        }
        self.tasks.insert(task.id, task.project_id);
        ImportDecision::Insert(line, task)
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
            milestone_id: None,
            start_date: None,
            due_date: None,
            estimated_minutes: None,
            actual_minutes: None,
            tags: Vec::new(),
            metadata: serde_json::json!({}),
            created_at: Utc::now(),
            updated_at: Utc::now(),
            completed_at: None,
            number: 0,
            project_key: String::new(),
            rank: String::new(),
            manually_blocked: false,
            version: 0,
        }
    }

    proptest! {
        #[test]
        fn inserted_parents_come_first_and_share_the_project(
            batch in proptest::collection::vec((0..20_u8, 0..3_u8, proptest::option::of(0..20_u8)), 0..40)
        ) {
            let known = ExistingIds {
                projects: HashSet::from([id(0), id(1)]),
                users: HashSet::from([id(0)]),
                ..ExistingIds::default()
            };
            let items = batch.iter().map(|(number, project, parent)| Item {
                line: u64::from(*number),
                task: Ok(Box::new(task(*number, *project, *parent))),
            });
            let mut stored = HashMap::new();
            for decision in known.decide(items.collect()) {
                let ImportDecision::Insert(_, task) = decision else { continue };
                prop_assert!(task.project_id != id(2));
                if let Some(parent) = task.parent_task_id {
                    prop_assert_eq!(stored.get(&parent), Some(&task.project_id));
                }
                prop_assert!(stored.insert(task.id, task.project_id).is_none());
            }
        }
    }
}
