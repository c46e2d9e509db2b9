//! Conversion of access states to messages.

use proto::project::backend::v1 as pb;
use shared::error::Result;
use shared::json;
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

impl From<AccessState> for pb::ProjectAccess {
    fn from(state: AccessState) -> Self {
        let mut message =
            Self { project_id: state.project_id.to_string(), revision: state.revision, ..Self::default() };
        match state.present {
            None => message.deleted = true,
            Some(present) => {
                message.visibility = present.visibility.into();
                message.status = present.status.into();
                message.name = present.name;
                message.members = present.members.into_iter().map(Into::into).collect();
            }
        }
        message
    }
}

impl From<AccessMember> for pb::AccessMember {
    fn from(member: AccessMember) -> Self {
        Self {
            user_id: member.user_id.to_string(),
            role: member.role.into(),
            permissions: Some(json::to_struct(&member.permissions)),
        }
    }
}
