//! The one table of roles and permissions.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::schema::ProjectRole;
use crate::validation::Violations;
use proto::common::Permission;

use Permission::{
    AttachmentDelete, AttachmentRead, AttachmentWrite, CommentDelete, CommentRead, CommentWrite,
    DocumentDelete, DocumentPublish, DocumentRead, DocumentWrite, MemberManage, MemberRead, ProjectArchive,
    ProjectDelete, ProjectRead, ProjectTransfer, ProjectUpdate, TaskDelete, TaskRead, TaskWrite, TimeManage,
    WebhookManage,
};

/// What one who is not a member may do in a project that its visibility lets them see.
const VISITOR: &[Permission] = &[ProjectRead, TaskRead, DocumentRead, AttachmentRead, CommentRead];
/// What each role adds to the one below it.
const VIEWER_ADDS: &[Permission] = &[MemberRead];
const MEMBER_ADDS: &[Permission] = &[TaskWrite, DocumentWrite, AttachmentWrite, CommentWrite];
const ADMIN_ADDS: &[Permission] = &[
    ProjectUpdate,
    ProjectArchive,
    MemberManage,
    TaskDelete,
    TimeManage,
    DocumentPublish,
    DocumentDelete,
    AttachmentDelete,
    CommentDelete,
    WebhookManage,
];
const OWNER_ADDS: &[Permission] = &[ProjectDelete, ProjectTransfer];

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// What a role may do, with the exceptions of one member as the database holds them.
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
        let exceptions = exceptions.map(PermissionExceptions::from_json).unwrap_or_default();
        for permission in exceptions.granted {
            set = set.with(&[permission]);
        }
        for permission in exceptions.denied {
            set = set.without(permission);
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
        all_permissions().filter(move |p| self.contains(*p))
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

/// Every permission, in the order of the proto enum.
fn all_permissions() -> impl Iterator<Item = Permission> {
    (1..=31).filter_map(|number| Permission::try_from(number).ok())
}

/// A permission's name in errors and in the database, as `task_delete`.
pub fn permission_name(permission: Permission) -> String {
    permission.as_str_name().trim_start_matches("PERMISSION_").to_lowercase()
}

/// The permission of such a name.
fn permission_named(name: &str) -> Option<Permission> {
    all_permissions().find(|permission| permission_name(*permission) == name)
}

/// Whether a member can be granted or denied a permission beside their role. Who may read a project, delete it or give
/// it away follows from visibility and role alone.
fn can_be_exception(permission: Permission) -> bool {
    !matches!(permission, Permission::Unspecified | ProjectDelete | ProjectTransfer | ProjectRead)
}

/// The permissions that one member has in addition to those of their role, and those of the role that they have not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionExceptions {
    /// Granted.
    pub granted: BTreeSet<Permission>,
    /// Denied.
    pub denied: BTreeSet<Permission>,
}

impl PermissionExceptions {
    /// From the fields `granted_permissions` and `denied_permissions` of a request.
    pub fn read(v: &mut Violations, granted: &[i32], denied: &[i32]) -> Self {
        let granted = exceptions(v, "granted_permissions", granted);
        let denied = exceptions(v, "denied_permissions", denied);
        let contradicts = !granted.is_disjoint(&denied);
        v.require(!contradicts, "denied_permissions", "must not hold a permission that is granted");
        Self { granted, denied }
    }

    /// From a sibling. What is no exception that this version knows is left out.
    pub fn from_wire(granted: &[i32], denied: &[i32]) -> Self {
        let known = |values: &[i32]| values.iter().filter_map(|value| exception(*value)).collect();
        Self { granted: known(granted), denied: known(denied) }
    }

    /// From what the database holds, `{"task_delete": true}`. What is no exception that this version knows is left out.
    pub fn from_json(stored: &Value) -> Self {
        let mut exceptions = Self::default();
        for (name, is_granted) in stored.as_object().into_iter().flatten() {
            let Some(permission) = permission_named(name).filter(|p| can_be_exception(*p)) else { continue };
            match is_granted {
                Value::Bool(true) => exceptions.granted.insert(permission),
                Value::Bool(false) => exceptions.denied.insert(permission),
                _ => false,
            };
        }
        exceptions
    }

    /// As the database holds it.
    pub fn to_json(&self) -> Value {
        let entry = |granted: bool| move |p: &Permission| (permission_name(*p), Value::Bool(granted));
        let entries = self.granted.iter().map(entry(true)).chain(self.denied.iter().map(entry(false)));
        Value::Object(entries.collect::<Map<_, _>>())
    }

    /// `granted_permissions` of a message, in the order of the enum.
    pub fn granted_to_wire(&self) -> Vec<i32> {
        self.granted.iter().map(|p| i32::from(*p)).collect()
    }

    /// `denied_permissions` of a message, in the order of the enum.
    pub fn denied_to_wire(&self) -> Vec<i32> {
        self.denied.iter().map(|p| i32::from(*p)).collect()
    }
}

/// Most permissions that are granted or denied to one member; there are fewer.
const MAX_EXCEPTIONS: usize = 20;

fn exceptions(v: &mut Violations, field: &str, values: &[i32]) -> BTreeSet<Permission> {
    let is_distinct = values.iter().collect::<BTreeSet<_>>().len() == values.len();
    v.require(is_distinct, field, "must have each permission once");
    v.at_most(field, values.len(), MAX_EXCEPTIONS);
    let description = "must be a permission that can be granted and denied";
    v.known_items(field, values, exception, description).into_iter().collect()
}

fn exception(value: i32) -> Option<Permission> {
    Permission::try_from(value).ok().filter(|permission| can_be_exception(*permission))
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
            | CommentWrite
            | CommentDelete
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
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

    fn violations(granted: &[Permission], denied: &[Permission]) -> Vec<String> {
        let numbers =
            |permissions: &[Permission]| permissions.iter().map(|p| i32::from(*p)).collect::<Vec<_>>();
        let mut v = Violations::within("member.");
        PermissionExceptions::read(&mut v, &numbers(granted), &numbers(denied));
        let Err(Error::Invalid(found)) = v.finish() else { return Vec::new() };
        found.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn exceptions_are_checked() {
        assert_eq!(violations(&[TaskDelete, TaskRead], &[TaskWrite]), [""; 0]);
        for bad in [Permission::Unspecified, ProjectRead, ProjectDelete, ProjectTransfer] {
            assert_eq!(violations(&[bad], &[]), ["member.granted_permissions[0]"], "{bad:?}");
            assert_eq!(violations(&[], &[bad]), ["member.denied_permissions[0]"], "{bad:?}");
        }
        assert_eq!(violations(&[TaskDelete, TaskDelete], &[]), ["member.granted_permissions"]);
        assert_eq!(violations(&[TaskDelete], &[TaskDelete]), ["member.denied_permissions"]);
    }

    #[test]
    fn exceptions_read_as_they_are_stored_and_in_the_order_of_the_enum() {
        let exceptions =
            PermissionExceptions::from_wire(&[TaskDelete as i32, TaskRead as i32, 31], &[TaskWrite as i32]);
        let stored = json!({"task_read": true, "task_delete": true, "task_write": false});
        assert_eq!(exceptions.to_json(), stored);
        assert_eq!(PermissionExceptions::from_json(&stored), exceptions);
        assert_eq!(exceptions.granted_to_wire(), [TaskRead as i32, TaskDelete as i32]);
        assert_eq!(exceptions.denied_to_wire(), [TaskWrite as i32]);
    }

    #[test]
    fn what_is_stored_and_unknown_grants_nothing() {
        let stored = json!({"fly": true, "task_delete": 1, "project_delete": true, "project_transfer": true});
        assert_eq!(PermissionExceptions::from_json(&stored), PermissionExceptions::default());
        assert_eq!(PermissionExceptions::from_json(&json!([])), PermissionExceptions::default());
    }

    #[test]
    fn every_permission_belongs_to_the_owner() {
        let owner = Permissions::of(Some(ProjectRole::Owner), None);
        assert_eq!(owner.iter().count(), all_permissions().count());
    }
}
