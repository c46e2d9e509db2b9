//! Conversion of exported rows to messages.

use chrono::{DateTime, Utc};
use proto::project::admin::v1 as pb;
use shared::json::{to_struct, to_timestamp};

use crate::members::Member;
use crate::projects::Project;

impl Project {
    pub(super) fn into_imported(self, owner_joined_at: Option<DateTime<Utc>>) -> pb::ImportedProject {
        pb::ImportedProject {
            line: 0,
            id: self.id.to_string(),
            name: self.name,
            description: self.description,
            owner_id: self.owner_id.to_string(),
            status: self.status.into(),
            visibility: self.visibility.into(),
            settings: Some(to_struct(&self.settings)),
            created_at: Some(to_timestamp(self.created_at)),
            updated_at: Some(to_timestamp(self.updated_at)),
            archived_at: self.archived_at.map(to_timestamp),
            owner_joined_at: owner_joined_at.map(to_timestamp),
        }
    }
}

impl From<Member> for pb::ImportedMember {
    fn from(member: Member) -> Self {
        Self {
            line: 0,
            project_id: member.project_id.to_string(),
            user_id: member.user_id.to_string(),
            role: member.role.into(),
            joined_at: Some(to_timestamp(member.joined_at)),
            permissions: Some(to_struct(&member.permissions)),
        }
    }
}
