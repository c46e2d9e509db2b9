//! Conversion of access states to messages.

use proto::project::backend::v1 as pb;
use shared::access::PermissionExceptions;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::{AccessMember, AccessState};

/// The project after which a page starts; the nil UUID if omitted.
pub(crate) fn after(text: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let after = v.optional_uuid("after_project_id", text).unwrap_or_default();
    v.finish()?;
    Ok(after)
}

/// Which project's state is asked for, and which revision of it is known.
pub(crate) fn known_state(request: &pb::GetProjectAccessRequest) -> Result<(Uuid, i64)> {
    let mut v = Violations::new();
    let id = v.uuid("project_id", &request.project_id);
    v.require(request.known_revision >= 0, "known_revision", "must not be negative");
    v.finish()?;
    Ok((id, request.known_revision))
}

impl From<AccessState> for pb::ProjectAccess {
    fn from(state: AccessState) -> Self {
        let mut message =
            Self { project_id: state.project_id.to_string(), revision: state.revision, ..Self::default() };
        match state.present {
            None => message.deleted = true,
            Some(present) => {
                message.visibility = present.visibility.into();
                message.status = present.status.into();
                message.key = present.key;
                message.members = present.members.into_iter().map(Into::into).collect();
            }
        }
        message
    }
}

impl From<AccessMember> for pb::AccessMember {
    fn from(member: AccessMember) -> Self {
        let exceptions = PermissionExceptions::from_json(&member.permissions);
        Self {
            user_id: member.user_id.to_string(),
            role: member.role.into(),
            granted_permissions: exceptions.granted_to_wire(),
            denied_permissions: exceptions.denied_to_wire(),
        }
    }
}
