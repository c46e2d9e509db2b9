//! Conversion of members from and to messages.

use proto::project::v1 as pb;
use shared::access::PermissionExceptions;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::schema::ProjectRole;
use shared::validation::{Mask, Violations};
use shared::{etag, json};
use uuid::Uuid;

use super::{Member, MemberUpdate, NewMember};

/// The fields that UpdateMember changes.
const CHANGEABLE: &[&str] = &["role", "granted_permissions", "denied_permissions"];

/// A validated [`pb::AddMemberRequest`].
pub(crate) struct AddMemberInput {
    pub key: Option<RequestKey>,
    pub member: NewMember,
}

impl TryFrom<pb::AddMemberRequest> for AddMemberInput {
    type Error = Error;

    fn try_from(request: pb::AddMemberRequest) -> Result<Self> {
        let mut all = Violations::new();
        let key = RequestKey::of(&mut all, &request.request_id, &request);
        let member = all.message("member", request.member);
        let mut v = Violations::within("member.");
        let member = NewMember {
            id: Uuid::now_v7(),
            project_id: v.uuid("project_id", &member.project_id),
            user_id: v.uuid("user_id", &member.user_id),
            role: assignable_role(&mut v, member.role),
            permissions: PermissionExceptions::read(
                &mut v,
                &member.granted_permissions,
                &member.denied_permissions,
            )
            .to_json(),
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { key, member })
    }
}

/// A validated [`pb::UpdateMemberRequest`].
pub(crate) struct UpdateMemberInput {
    pub id: MemberId,
    pub etag: String,
    /// `None` if the update changes nothing.
    pub update: Option<MemberUpdate>,
}

impl TryFrom<pb::UpdateMemberRequest> for UpdateMemberInput {
    type Error = Error;

    fn try_from(request: pb::UpdateMemberRequest) -> Result<Self> {
        let mut v = Violations::within("member.");
        let member = v.message("member", request.member);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = MemberId {
            project_id: v.uuid("project_id", &member.project_id),
            user_id: v.uuid("user_id", &member.user_id),
        };
        let role = mask.pick("role", member.role, |role| assignable_role(&mut v, role));
        let exceptions =
            PermissionExceptions::read(&mut v, &member.granted_permissions, &member.denied_permissions);
        let update = MemberUpdate {
            role,
            granted: mask.pick("granted_permissions", member.granted_permissions, |_| exceptions.granted),
            denied: mask.pick("denied_permissions", member.denied_permissions, |_| exceptions.denied),
        };
        v.finish()?;
        Ok(Self { id, etag: member.etag, update: mask.has_changes().then_some(update) })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct MemberId {
    pub project_id: Uuid,
    pub user_id: Uuid,
}

impl MemberId {
    pub(crate) fn of(project_id: &str, user_id: &str) -> Result<Self> {
        let mut v = Violations::new();
        let id = Self { project_id: v.uuid("project_id", project_id), user_id: v.uuid("user_id", user_id) };
        v.finish()?;
        Ok(id)
    }
}

/// A validated [`pb::ListMembersRequest`].
pub(crate) struct ListMembersInput {
    pub project_id: Uuid,
    pub roles: Vec<ProjectRole>,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListMembersRequest> for ListMembersInput {
    type Error = Error;

    fn try_from(request: pb::ListMembersRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let list = Self {
            project_id: v.uuid("project_id", &request.project_id),
            roles: v.enums("roles", &request.roles),
            page_size: request.page_size,
            page_token: request.page_token,
        };
        v.finish()?;
        Ok(list)
    }
}

/// Any role but owner; member if omitted.
pub(crate) fn assignable_role(v: &mut Violations, role: i32) -> ProjectRole {
    let role = v.optional_enum("role", role).unwrap_or(ProjectRole::Member);
    v.require(role != ProjectRole::Owner, "role", "must not be owner: a project keeps its owner");
    role
}

impl From<Member> for pb::Member {
    fn from(member: Member) -> Self {
        let exceptions = PermissionExceptions::from_json(&member.permissions);
        Self {
            id: member.id.to_string(),
            project_id: member.project_id.to_string(),
            user_id: member.user_id.to_string(),
            role: member.role.into(),
            granted_permissions: exceptions.granted_to_wire(),
            denied_permissions: exceptions.denied_to_wire(),
            joined_at: Some(json::to_timestamp(member.joined_at)),
            etag: etag::of(member.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use prost::Message;
    use proto::common::Permission;
    use shared::page::MAX_PAGE_SIZE;
    use shared::server::MAX_MESSAGE_BYTES;

    use super::*;

    #[test]
    fn the_largest_page_of_members_fits_into_a_message() {
        let every = Permission::from_str_name("PERMISSION_TASK_READ").into_iter().cycle().take(20);
        let member = Member {
            id: Uuid::max(),
            project_id: Uuid::max(),
            user_id: Uuid::max(),
            role: ProjectRole::Viewer,
            permissions: serde_json::Value::Null,
            joined_at: DateTime::<chrono::Utc>::MAX_UTC,
            version: u32::MAX,
        };
        let member = pb::Member { granted_permissions: every.map(i32::from).collect(), ..member.into() };
        let page = usize::try_from(MAX_PAGE_SIZE).unwrap() * (member.encoded_len() + 5);
        assert!(page < MAX_MESSAGE_BYTES / 4, "{page}");
    }
}
