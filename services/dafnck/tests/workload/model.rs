//! What the suite should answer, worked out from the documentation alone: nothing of the services is consulted.

use std::collections::{BTreeMap, BTreeSet};

/// A user, by number.
pub type User = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Viewer,
    Member,
    Owner,
}

#[derive(Debug, Default)]
pub struct Project {
    pub is_public: bool,
    pub roles: BTreeMap<User, Role>,
    pub tasks: BTreeMap<String, Task>,
    pub documents: BTreeMap<String, Document>,
}

#[derive(Debug, Default)]
pub struct Task {
    pub title: String,
    pub is_done: bool,
    /// The tasks that block it.
    pub depends_on: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Document {
    pub title: String,
    /// The contents of all versions; the last one is that of the document.
    pub versions: Vec<String>,
}

/// The state of a task, as its status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Pending,
    Blocked,
    Done,
}

pub const OK: &str = "OK";
pub const HIDDEN: &str = "NOT_FOUND RESOURCE_NOT_FOUND";
const DENIED: &str = "PERMISSION_DENIED PERMISSION_MISSING";

impl Project {
    pub fn of(owner: User, is_public: bool) -> Self {
        Self { is_public, roles: [(owner, Role::Owner)].into(), ..Self::default() }
    }

    pub fn is_visible(&self, user: User) -> bool {
        self.is_public || self.roles.contains_key(&user)
    }

    /// The refusal of a user who needs this role; `None` if they have it or a higher one.
    fn refusal(&self, user: User, needed: Role) -> Option<&'static str> {
        if !self.is_visible(user) {
            return Some(HIDDEN);
        }
        self.roles.get(&user).is_none_or(|role| *role < needed).then_some(DENIED)
    }

    pub fn state(&self, id: &str) -> State {
        let task = &self.tasks[id];
        match task {
            Task { is_done: true, .. } => State::Done,
            _ if self.has_open_blocker(id) => State::Blocked,
            _ => State::Pending,
        }
    }

    fn has_open_blocker(&self, id: &str) -> bool {
        self.tasks[id].depends_on.iter().any(|blocker| !self.tasks[blocker].is_done)
    }

    /// Whether one task depends on another, directly or through others.
    fn depends(&self, task: &str, on: &str) -> bool {
        task == on || self.tasks[task].depends_on.iter().any(|next| self.depends(next, on))
    }

    pub fn create_task(&self, user: User) -> &'static str {
        self.refusal(user, Role::Member).unwrap_or(OK)
    }

    pub fn rename_task(&self, user: User) -> &'static str {
        self.refusal(user, Role::Member).unwrap_or(OK)
    }

    pub fn complete_task(&self, user: User, id: &str) -> &'static str {
        match self.refusal(user, Role::Member) {
            Some(refusal) => refusal,
            None if self.has_open_blocker(id) => "FAILED_PRECONDITION TASK_BLOCKED",
            None => OK,
        }
    }

    /// Deleting needs the permission of an admin.
    pub fn delete_task(&self, user: User) -> &'static str {
        self.refusal(user, Role::Owner).unwrap_or(OK)
    }

    pub fn add_dependency(&self, user: User, task: &str, on: &str) -> &'static str {
        match self.refusal(user, Role::Member) {
            Some(refusal) => refusal,
            None if self.tasks[task].depends_on.contains(on) => "ALREADY_EXISTS ALREADY_EXISTS",
            None if self.depends(on, task) => "FAILED_PRECONDITION DEPENDENCY_CYCLE",
            None => OK,
        }
    }

    pub fn remove_dependency(&self, user: User, task: &str, on: &str) -> &'static str {
        // The dependency is what is asked for, and is looked for first.
        match self.tasks[task].depends_on.contains(on) {
            true => self.refusal(user, Role::Member).unwrap_or(OK),
            false => HIDDEN,
        }
    }

    pub fn create_document(&self, user: User) -> &'static str {
        self.refusal(user, Role::Member).unwrap_or(OK)
    }

    /// An edit of another version than the newest replaces a line that another edit has replaced as well.
    pub fn edit_document(&self, user: User, id: &str, base: usize) -> &'static str {
        match self.refusal(user, Role::Member) {
            Some(refusal) => refusal,
            None if base < self.documents[id].versions.len() => "ABORTED EDIT_CONFLICT",
            None => OK,
        }
    }

    /// As with tasks.
    pub fn delete_document(&self, user: User) -> &'static str {
        self.refusal(user, Role::Owner).unwrap_or(OK)
    }

    /// Members are managed by admins and the owner.
    pub fn manage_members(&self, user: User) -> &'static str {
        self.refusal(user, Role::Owner).unwrap_or(OK)
    }

    pub fn forget(&mut self, id: &str) {
        self.tasks.remove(id);
        for task in self.tasks.values_mut() {
            task.depends_on.remove(id);
        }
    }
}
