//! Conversion of members from and to messages.

use prost_types::Struct;
use proto::project::v1 as pb;
use serde_json::Value;
use shared::access::parse_exceptions;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::schema::ProjectRole;
use shared::validation::{Mask, Violations};
use shared::{etag, json};
use uuid::Uuid;

use super::{Member, MemberChange, NewMember};

/// A validated [`pb::AddMemberRequest`].
pub(crate) struct AddMemberInput {
    pub key: Option<RequestKey>,
    pub member: NewMember,
}

impl TryFrom<pb::AddMemberRequest> for AddMemberInput {
    type Error = Error;

    fn try_from(request: pb::AddMemberRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let member = NewMember {
            id: Uuid::now_v7(),
            project_id: v.uuid("project_id", &request.project_id),
            user_id: v.uuid("user_id", &request.user_id),
            role: assignable_role(&mut v, request.role),
            permissions: exceptions(&mut v, request.permissions),
        };
        v.finish()?;
        Ok(Self { key, member })
    }
}

/// A validated [`pb::UpdateMemberRequest`].
pub(crate) struct UpdateMemberInput {
    pub id: MemberId,
    pub etag: String,
    /// `None` if the update changes nothing.
    pub change: Option<MemberChange>,
}

impl TryFrom<pb::UpdateMemberRequest> for UpdateMemberInput {
    type Error = Error;

    fn try_from(request: pb::UpdateMemberRequest) -> Result<Self> {
        let mut all = Violations::new();
        all.require(request.member.is_some(), "member", "must be given");
        let mask = Mask::of(&mut all, request.update_mask, &["role", "permissions"]);
        let member = request.member.unwrap_or_default();
        let mut v = Violations::within("member.");
        let id = MemberId {
            project_id: v.uuid("project_id", &member.project_id),
            user_id: v.uuid("user_id", &member.user_id),
        };
        let change = MemberChange {
            role: mask.pick("role", || assignable_role(&mut v, member.role)),
            permissions: mask.pick("permissions", || exceptions(&mut v, member.permissions)),
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { id, etag: member.etag, change: (!mask.is_empty()).then_some(change) })
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

pub(crate) fn exceptions(v: &mut Violations, permissions: Option<Struct>) -> Value {
    let permissions = v.json("permissions", permissions);
    let all_known = parse_exceptions(&permissions).iter().all(Option::is_some);
    v.require(
        all_known,
        "permissions",
        "must map names of permissions that can be given, as task_delete, to true or false",
    );
    permissions
}

impl From<Member> for pb::Member {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.to_string(),
            project_id: member.project_id.to_string(),
            user_id: member.user_id.to_string(),
            role: member.role.into(),
            permissions: Some(json::to_struct(&member.permissions)),
            joined_at: Some(json::to_timestamp(member.joined_at)),
            etag: etag::of(member.version),
        }
    }
}
