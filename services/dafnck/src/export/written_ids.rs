//! What has been written so far, as far as what follows refers to it. Something that was deleted between two moments
//! takes along what still refers to it, as the services do.
//!
//! Memory: 16 bytes for each task and document, and about twice that for each project.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

/// What has been written so far.
#[derive(Debug, Default)]
pub(super) struct WrittenIds {
    projects: HashSet<Uuid>,
    /// In order, as they come.
    tasks: Vec<Uuid>,
    /// In order, as they come.
    documents: Vec<Uuid>,
    /// Who is named, if that matters.
    users: Option<BTreeSet<Uuid>>,
}

impl WrittenIds {
    /// Notes whom the lines name if only those users are to be written.
    pub(super) fn new(only_named_users: bool) -> Self {
        Self { users: only_named_users.then(BTreeSet::new), ..Self::default() }
    }

    pub(super) fn add_project(&mut self, id: Uuid) {
        self.projects.insert(id);
    }

    pub(super) fn add_task(&mut self, id: Uuid) {
        self.tasks.push(id);
    }

    pub(super) fn add_document(&mut self, id: Uuid) {
        self.documents.push(id);
    }

    pub(super) fn name(&mut self, users: impl IntoIterator<Item = Uuid>) {
        if let Some(named) = &mut self.users {
            named.extend(users);
        }
    }

    /// Those who were named; `None` if everybody is to be written.
    pub(super) fn named_users(&mut self) -> Option<Vec<Uuid>> {
        self.users.take().map(|named| named.into_iter().collect())
    }

    pub(super) fn has_project(&self, id: Uuid) -> bool {
        self.projects.contains(&id)
    }

    pub(super) fn has_task(&self, id: Uuid) -> bool {
        self.tasks.binary_search(&id).is_ok()
    }

    pub(super) fn has_document(&self, id: Uuid) -> bool {
        self.documents.binary_search(&id).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refers_to_something_that_is_gone_is_not_kept() {
        let [project, task, document, gone] = [1, 2, 3, 9].map(Uuid::from_u128);
        let mut kept = WrittenIds::new(false);
        kept.add_project(project);
        kept.add_task(task);
        kept.add_document(document);
        assert!(kept.has_project(project) && kept.has_task(task) && kept.has_document(document));
        assert!(!kept.has_project(gone) && !kept.has_task(gone) && !kept.has_document(gone));
    }

    #[test]
    fn users_are_noted_only_where_it_matters() {
        let [gus, olga] = [1, 2].map(Uuid::from_u128);
        let named = |only| {
            let mut kept = WrittenIds::new(only);
            kept.name([olga, gus, olga]);
            kept.named_users()
        };
        assert_eq!(named(false), None);
        assert_eq!(named(true), Some(vec![gus, olga]));
    }
}
