//! The one table of roles and permissions.

use serde_json::Value;

use crate::schema::ProjectRole;
use proto::common::Permission;

use Permission::{
    AttachmentDelete, AttachmentRead, AttachmentWrite, DocumentDelete, DocumentPublish, DocumentRead,
    DocumentWrite, MemberManage, MemberRead, ProjectArchive, ProjectDelete, ProjectRead, ProjectTransfer,
    ProjectUpdate, TaskDelete, TaskRead, TaskWrite,
};

/// What one who is not a member may do in a project that its visibility lets them see.
const VISITOR: &[Permission] = &[ProjectRead, TaskRead, DocumentRead, AttachmentRead];
/// What each role adds to the one below it.
const VIEWER_ADDS: &[Permission] = &[MemberRead];
const MEMBER_ADDS: &[Permission] = &[TaskWrite, DocumentWrite, AttachmentWrite];
const ADMIN_ADDS: &[Permission] = &[
    ProjectUpdate,
    ProjectArchive,
    MemberManage,
    TaskDelete,
    DocumentPublish,
    DocumentDelete,
    AttachmentDelete,
];
const OWNER_ADDS: &[Permission] = &[ProjectDelete, ProjectTransfer];

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// What a role may do, with the exceptions of one member. Exceptions that the table does not know are
    /// passed over: they were checked when they were written.
    pub fn of(role: Option<ProjectRole>, exceptions: Option<&Value>) -> Self {
        let mut set = Self::default().with(VISITOR);
        let added: &[&[Permission]] = match role {
            None => &[],
            Some(ProjectRole::Viewer) => &[VIEWER_ADDS],
            Some(ProjectRole::Member) => &[VIEWER_ADDS, MEMBER_ADDS],
            Some(ProjectRole::Admin) => &[VIEWER_ADDS, MEMBER_ADDS, ADMIN_ADDS],
            Some(ProjectRole::Owner) => &[VIEWER_ADDS, MEMBER_ADDS, ADMIN_ADDS, OWNER_ADDS],
        };
        for permissions in added {
            set = set.with(permissions);
        }
        for (permission, granted) in
            exceptions.map(parse_exceptions).unwrap_or_default().into_iter().flatten()
        {
            set = if granted { set.with(&[permission]) } else { set.without(permission) };
        }
        set
    }

    /// Whether the set has this permission. "No permission" is in every set.
    pub fn contains(self, permission: Permission) -> bool {
        permission == Permission::Unspecified || self.0 & bit(permission) != 0
    }

    /// Whether everything in the other set is in this one too.
    pub fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The permissions, in the order of the proto enum.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        (1..=31).filter_map(|number| Permission::try_from(number).ok()).filter(move |p| self.contains(*p))
    }

    /// Those that an archived project refuses, and those that it does not.
    pub fn split_by_archiving(self) -> (Self, Self) {
        let (stopped, kept): (Vec<_>, Vec<_>) = self.iter().partition(|p| is_stopped_by_archiving(*p));
        (Self::default().with(&stopped), Self::default().with(&kept))
    }

    fn with(self, permissions: &[Permission]) -> Self {
        Self(permissions.iter().fold(self.0, |bits, permission| bits | bit(*permission)))
    }

    fn without(self, permission: Permission) -> Self {
        Self(self.0 & !bit(permission))
    }
}

fn bit(permission: Permission) -> u32 {
    1_u32.checked_shl(u32::try_from(permission as i32).unwrap_or(u32::MAX)).unwrap_or_default()
}

/// A permission's name in errors and in a member's `permissions`, as `task_delete`.
pub fn permission_name(permission: Permission) -> String {
    permission.as_str_name().trim_start_matches("PERMISSION_").to_lowercase()
}

/// Reads a member's exceptions, `{"task_delete": true}`; an item is `None` if its name or value is unknown.
/// `project_delete` and `project_transfer` stay with the owner.
pub fn parse_exceptions(exceptions: &Value) -> Vec<Option<(Permission, bool)>> {
    let Some(object) = exceptions.as_object() else { return vec![None] };
    object
        .iter()
        .map(|(name, granted)| {
            let permission = Permission::from_str_name(&format!("PERMISSION_{}", name.to_uppercase()))?;
            let grantable = !matches!(
                permission,
                Permission::Unspecified | ProjectDelete | ProjectTransfer | ProjectRead
            );
            (grantable && permission_name(permission) == *name).then_some((permission, granted.as_bool()?))
        })
        .collect()
}

/// Whether an archived project refuses this. Reading, reopening, deleting and managing members go on.
pub(super) fn is_stopped_by_archiving(permission: Permission) -> bool {
    matches!(
        permission,
        ProjectUpdate
            | TaskWrite
            | TaskDelete
            | DocumentWrite
            | DocumentPublish
            | DocumentDelete
            | AttachmentWrite
            | AttachmentDelete
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_role_contains_the_next() {
        let sets: Vec<_> = ProjectRole::ALL
            .iter()
            .map(|role| Permissions::of(Some(*role), None))
            .chain([Permissions::of(None, None)])
            .collect();
        for pair in sets.windows(2) {
            assert!(pair[0].contains_all(pair[1]) && pair[0] != pair[1]);
        }
    }

    #[test]
    fn exceptions_add_and_remove() {
        let set = Permissions::of(
            Some(ProjectRole::Member),
            Some(&json!({"task_delete": true, "task_write": false})),
        );
        assert!(set.contains(TaskDelete));
        assert!(!set.contains(TaskWrite));
    }

    #[test]
    fn unknown_exceptions_are_told_apart() {
        let parsed = parse_exceptions(
            &json!({"fly": true, "task_delete": 1, "project_delete": true, "project_transfer": true}),
        );
        assert_eq!(parsed, [None; 4]);
    }

    #[test]
    fn every_permission_belongs_to_the_owner() {
        let owner = Permissions::of(Some(ProjectRole::Owner), None);
        assert_eq!(owner.iter().count(), (1..=31).filter_map(|n| Permission::try_from(n).ok()).count());
    }
}
