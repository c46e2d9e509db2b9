//! Members: who belongs to a project, and the rule that nobody gives, changes or takes more than they have.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::project_members;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use shared::access::{Permission, Permissions, ProjectAccess, permission_name};
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use shared::schema::ProjectRole;
use uuid::Uuid;

/// A user in a project.
#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = project_members, check_for_backend(Pg))]
pub(crate) struct Member {
    /// Key.
    pub id: Uuid,
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
    /// Version of the row; of one in the change log, none.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// A member to be added.
#[derive(Debug, Insertable)]
#[diesel(table_name = project_members)]
pub(crate) struct NewMember {
    /// Key.
    pub id: Uuid,
    /// Project.
    pub project_id: Uuid,
    /// User.
    pub user_id: Uuid,
    /// Role.
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
}

/// New values of the fields that change; `None` leaves a field as it is.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = project_members)]
pub(crate) struct MemberChange {
    /// Role.
    pub role: Option<ProjectRole>,
    /// Exceptions from the role.
    pub permissions: Option<Value>,
}

impl Member {
    /// Refuses to touch the owner's membership, which stands and falls with the project.
    pub(crate) fn must_not_be_owner(&self) -> Result<()> {
        if self.role == ProjectRole::Owner {
            return Err(Error::precondition(
                ErrorReason::OwnerRequired,
                "the owner's membership is fixed: a project keeps its owner",
            ));
        }
        Ok(())
    }

    /// Refuses those who may do less than this member.
    pub(crate) fn may_be_changed_by(&self, access: &ProjectAccess) -> Result<()> {
        must_have_all(access, self.role, &self.permissions)
    }

    /// Refuses a change to more than the granter has.
    pub(crate) fn may_become(&self, change: &MemberChange, access: &ProjectAccess) -> Result<()> {
        let role = change.role.unwrap_or(self.role);
        must_have_all(access, role, change.permissions.as_ref().unwrap_or(&self.permissions))
    }
}

impl NewMember {
    /// Refuses a membership of more than the granter has.
    pub(crate) fn may_be_added_by(&self, access: &ProjectAccess) -> Result<()> {
        must_have_all(access, self.role, &self.permissions)
    }
}

/// Lets those pass who may manage members and may do themselves whatever a member of this role may do.
pub(crate) fn must_have_all(access: &ProjectAccess, role: ProjectRole, exceptions: &Value) -> Result<()> {
    access.require(Permission::MemberManage)?;
    let theirs = Permissions::of(Some(role), Some(exceptions));
    let Some(missing) = theirs.iter().find(|permission| !access.permissions.contains(*permission)) else {
        return Ok(());
    };
    let name = permission_name(missing);
    Err(Error::PermissionDenied {
        reason: ErrorReason::PermissionMissing,
        message: format!("nobody decides on more than they have: you lack {name}"),
        metadata: vec![("permission", name)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::schema::{ProjectStatus, ProjectVisibility};

    fn access(role: ProjectRole, exceptions: &Value) -> ProjectAccess {
        ProjectAccess {
            project_id: Uuid::from_u128(1),
            user_id: Uuid::from_u128(2),
            role: Some(role),
            visibility: ProjectVisibility::Private,
            status: ProjectStatus::Active,
            permissions: Permissions::of(Some(role), Some(exceptions)),
        }
    }

    #[test]
    fn an_admin_decides_on_admins_and_those_below() {
        let admin = access(ProjectRole::Admin, &json!({}));
        for role in [ProjectRole::Admin, ProjectRole::Member, ProjectRole::Viewer] {
            assert!(must_have_all(&admin, role, &json!({})).is_ok(), "{role:?}");
        }
        assert!(must_have_all(&admin, ProjectRole::Owner, &json!({})).is_err());
    }

    #[test]
    fn an_exception_counts_on_both_sides() {
        let trimmed = access(ProjectRole::Admin, &json!({"task_delete": false}));
        assert!(must_have_all(&trimmed, ProjectRole::Admin, &json!({})).is_err());
        assert!(must_have_all(&trimmed, ProjectRole::Viewer, &json!({"task_delete": true})).is_err());
        assert!(must_have_all(&trimmed, ProjectRole::Admin, &json!({"task_delete": false})).is_ok());
    }

    #[test]
    fn a_member_decides_on_nobody() {
        let member = access(ProjectRole::Member, &json!({}));
        assert!(must_have_all(&member, ProjectRole::Viewer, &json!({})).is_err());
    }
}
