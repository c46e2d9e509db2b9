//! Members of projects. Nobody grants, changes or removes more than they have.

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

#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = project_members, check_for_backend(Pg))]
pub(crate) struct Member {
    pub id: Uuid,
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
    pub joined_at: DateTime<Utc>,
    /// Version of the row; absent in rows of the change log.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = project_members)]
pub(crate) struct NewMember {
    pub id: Uuid,
    pub project_id: Uuid,
    pub user_id: Uuid,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
}

/// `None` leaves a field unchanged.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = project_members)]
pub(crate) struct MemberChange {
    pub role: Option<ProjectRole>,
    /// Exceptions from the role.
    pub permissions: Option<Value>,
}

impl Member {
    /// The owner's membership changes only with the ownership.
    pub(crate) fn require_not_owner(&self) -> Result<()> {
        if self.role == ProjectRole::Owner {
            return Err(Error::precondition(
                ErrorReason::OwnerRequired,
                "the owner's membership is fixed: a project keeps its owner",
            ));
        }
        Ok(())
    }

    /// The caller needs all permissions that the member has.
    pub(crate) fn authorize_change(&self, access: &ProjectAccess) -> Result<()> {
        require_permissions_of(access, self.role, &self.permissions)
    }

    /// The caller needs all permissions that the member gets.
    pub(crate) fn authorize_new_permissions(
        &self,
        change: &MemberChange,
        access: &ProjectAccess,
    ) -> Result<()> {
        let role = change.role.unwrap_or(self.role);
        require_permissions_of(access, role, change.permissions.as_ref().unwrap_or(&self.permissions))
    }
}

impl NewMember {
    /// The caller needs all permissions that the member gets.
    pub(crate) fn authorize(&self, access: &ProjectAccess) -> Result<()> {
        require_permissions_of(access, self.role, &self.permissions)
    }
}

/// Requires `MEMBER_MANAGE` and every permission of this role with these exceptions.
pub(crate) fn require_permissions_of(
    access: &ProjectAccess,
    role: ProjectRole,
    exceptions: &Value,
) -> Result<()> {
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
    fn an_admin_manages_admins_and_lower_roles() {
        let admin = access(ProjectRole::Admin, &json!({}));
        for role in [ProjectRole::Admin, ProjectRole::Member, ProjectRole::Viewer] {
            assert!(require_permissions_of(&admin, role, &json!({})).is_ok(), "{role:?}");
        }
        assert!(require_permissions_of(&admin, ProjectRole::Owner, &json!({})).is_err());
    }

    #[test]
    fn exceptions_of_both_sides_count() {
        let trimmed = access(ProjectRole::Admin, &json!({"task_delete": false}));
        assert!(require_permissions_of(&trimmed, ProjectRole::Admin, &json!({})).is_err());
        assert!(
            require_permissions_of(&trimmed, ProjectRole::Viewer, &json!({"task_delete": true})).is_err()
        );
        assert!(require_permissions_of(&trimmed, ProjectRole::Admin, &json!({"task_delete": false})).is_ok());
    }

    #[test]
    fn a_member_manages_nobody() {
        let member = access(ProjectRole::Member, &json!({}));
        assert!(require_permissions_of(&member, ProjectRole::Viewer, &json!({})).is_err());
    }
}
