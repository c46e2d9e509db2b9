//! Import of projects and members. A batch is one transaction; a refused item does not affect the others. Importing the
//! same items again changes nothing.

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

/// An item of a batch, or why it is refused.
#[derive(Debug)]
pub(crate) struct ImportItem<T> {
    /// The caller's number of the item.
    pub line: u64,
    pub content: Result<T, String>,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct ImportedProject {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub owner_id: Uuid,
    pub status: ProjectStatus,
    pub visibility: ProjectVisibility,
    pub settings: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The time of the import, unless it is given.
    pub archived_at: Option<DateTime<Utc>>,
    /// The creation time of the project, unless it is given.
    #[diesel(skip_insertion)]
    pub owner_joined_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = project_members)]
pub(crate) struct ImportedMember {
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    pub joined_at: DateTime<Utc>,
}

impl<T> ImportItem<T> {
    fn reject_if(&mut self, reason: impl FnOnce(&T) -> Option<String>) {
        if let Some(reason) = self.content.as_ref().ok().and_then(reason) {
            self.content = Err(reason);
        }
    }
}

pub(crate) fn accepted<T>(items: &[ImportItem<T>]) -> impl Iterator<Item = &T> {
    items.iter().filter_map(|item| item.content.as_ref().ok())
}

pub(crate) fn reject_unknown_owners(projects: &mut [ImportItem<ImportedProject>], known: &HashSet<Uuid>) {
    for item in projects {
        item.reject_if(|project| no_user("owner_id", project.owner_id, known));
    }
}

/// Rejects unknown users, unknown projects and second owners.
pub(crate) fn reject_invalid_members(
    members: &mut [ImportItem<ImportedMember>],
    known: &HashSet<Uuid>,
    owners: &HashMap<Uuid, Uuid>,
) {
    for item in members {
        item.reject_if(|member| match owners.get(&member.project_id) {
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
        let mut items = [ImportItem { line: 1, content: Ok(member) }];
        let owners = HashMap::from([(PROJECT, OWNER)]);
        reject_invalid_members(&mut items, &HashSet::from([OWNER, OTHER]), &owners);
        accepted(&items).next().is_none()
    }

    #[test]
    fn the_owner_may_be_listed_as_a_member() {
        assert!(!is_refused(PROJECT, OWNER, ProjectRole::Owner));
        assert!(!is_refused(PROJECT, OWNER, ProjectRole::Viewer));
    }

    #[test]
    fn second_owners_and_unknown_users_and_projects_are_rejected() {
        assert!(!is_refused(PROJECT, OTHER, ProjectRole::Admin));
        assert!(is_refused(PROJECT, OTHER, ProjectRole::Owner));
        assert!(is_refused(OTHER, OTHER, ProjectRole::Viewer));
        assert!(is_refused(PROJECT, Uuid::from_u128(9), ProjectRole::Viewer));
    }
}
