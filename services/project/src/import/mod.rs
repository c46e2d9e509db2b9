//! Projects and members from elsewhere. A batch is stored in one transaction; an item that is refused stops no
//! other. Importing the same again changes nothing.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use std::collections::{HashMap, HashSet};

use crate::schema::{project_members, projects};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use shared::schema::{ProjectRole, ProjectStatus, ProjectVisibility};
use uuid::Uuid;

/// An item of a batch: what it says, or why it is refused.
#[derive(Debug)]
pub(crate) struct Item<T> {
    /// The caller's number for it.
    pub line: u64,
    /// What it says, or why it is refused.
    pub content: Result<T, String>,
}

/// A project to be taken over.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct ImportedProject {
    /// Key.
    pub id: Uuid,
    /// One line.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Owner.
    pub owner_id: Uuid,
    /// Where it stands.
    pub status: ProjectStatus,
    /// Who may read it without being a member.
    pub visibility: ProjectVisibility,
    /// Settings of front ends.
    pub settings: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was archived, if it is: now, unless it is known.
    pub archived_at: Option<DateTime<Utc>>,
    /// When the owner joined, if that was not with the project.
    #[diesel(skip_insertion)]
    pub owner_joined_at: Option<DateTime<Utc>>,
}

/// A member to be taken over.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = project_members)]
pub(crate) struct ImportedMember {
    /// Project.
    pub project_id: Uuid,
    /// User.
    pub user_id: Uuid,
    /// Role.
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    /// When the user joined.
    pub joined_at: DateTime<Utc>,
}

impl<T> Item<T> {
    /// Refuses the item if the rule gives a reason to.
    fn refuse_if(&mut self, reason: impl FnOnce(&T) -> Option<String>) {
        if let Some(reason) = self.content.as_ref().ok().and_then(reason) {
            self.content = Err(reason);
        }
    }
}

/// The items that have not been refused.
pub(crate) fn accepted<T>(items: &[Item<T>]) -> impl Iterator<Item = &T> {
    items.iter().filter_map(|item| item.content.as_ref().ok())
}

/// Refuses projects whose owner does not exist.
pub(crate) fn refuse_unknown_owners(projects: &mut [Item<ImportedProject>], known: &HashSet<Uuid>) {
    for item in projects {
        item.refuse_if(|project| no_user("owner_id", project.owner_id, known));
    }
}

/// Refuses members who do not exist, whose project does not exist, or who would be its second owner.
pub(crate) fn refuse_impossible_members(
    members: &mut [Item<ImportedMember>],
    known: &HashSet<Uuid>,
    owners: &HashMap<Uuid, Uuid>,
) {
    for item in members {
        item.refuse_if(|member| match owners.get(&member.project_id) {
            None => Some(format!("project_id: there is no project {}", member.project_id)),
            Some(owner_id) if *owner_id == member.user_id => None,
            Some(_) if member.role == ProjectRole::Owner => {
                Some("role: the project has another owner".to_owned())
            }
            Some(_) => no_user("user_id", member.user_id, known),
        });
    }
}

fn no_user(field: &str, user_id: Uuid, known: &HashSet<Uuid>) -> Option<String> {
    (!known.contains(&user_id)).then(|| format!("{field}: there is no user {user_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: Uuid = Uuid::from_u128(1);
    const OWNER: Uuid = Uuid::from_u128(2);
    const OTHER: Uuid = Uuid::from_u128(3);

    fn is_refused(project_id: Uuid, user_id: Uuid, role: ProjectRole) -> bool {
        let (permissions, joined_at) = (Value::default(), DateTime::UNIX_EPOCH);
        let member = ImportedMember { project_id, user_id, role, permissions, joined_at };
        let mut items = [Item { line: 1, content: Ok(member) }];
        let owners = HashMap::from([(PROJECT, OWNER)]);
        refuse_impossible_members(&mut items, &HashSet::from([OWNER, OTHER]), &owners);
        accepted(&items).next().is_none()
    }

    #[test]
    fn the_owner_may_be_listed_as_a_member() {
        assert!(!is_refused(PROJECT, OWNER, ProjectRole::Owner));
        assert!(!is_refused(PROJECT, OWNER, ProjectRole::Viewer));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(!is_refused(PROJECT, OTHER, ProjectRole::Admin));
        assert!(is_refused(PROJECT, OTHER, ProjectRole::Owner));
        assert!(is_refused(OTHER, OTHER, ProjectRole::Viewer));
        assert!(is_refused(PROJECT, Uuid::from_u128(9), ProjectRole::Viewer));
    }
}
