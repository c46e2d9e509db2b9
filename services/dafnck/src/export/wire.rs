//! Messages of the exporting RPCs as records of the interchange format. What is as it would be without a field is left
//! out where the field would say nothing to anybody.

use anyhow::Context;
use prost_types::{Struct, Timestamp};
use serde_json::{Map, Value};
use shared::json::from_struct;
use uuid::Uuid;

use crate::interchange::records::{
    Attachment, Dependency, Document, DocumentVersion, Member, Moment, Profile, Project, ProjectKey, Task,
    User,
};

/// The messages.
pub(super) mod pb {
    pub(crate) use proto::content::admin::v1::{
        ExportedAttachment, ImportedAttachment, ImportedDocument, ImportedDocumentVersion,
    };
    pub(crate) use proto::identity::admin::v1::{ImportedUser, ImportedUserProfile};
    pub(crate) use proto::project::admin::v1::{ImportedMember, ImportedProject};
    pub(crate) use proto::task::admin::v1::{ImportedProjectKey, ImportedTask, ImportedTaskDependency};
}

/// A message that becomes a line.
pub(super) trait Imported {
    /// What the line holds.
    type Record;

    /// The record.
    ///
    /// # Errors
    /// When the service told something malformed.
    fn into_record(self) -> anyhow::Result<Self::Record>;
}

/// The name that files use for a proto's name of a value, as `in_progress` for `TASK_STATUS_IN_PROGRESS`.
fn name(prefix: &str, full: &str) -> Option<String> {
    let name = full.strip_prefix(prefix)?.strip_prefix('_')?.to_ascii_lowercase();
    (name != "unspecified").then_some(name)
}

fn id(text: &str) -> anyhow::Result<Uuid> {
    text.parse().with_context(|| format!("a service told the malformed id `{text}`"))
}

fn optional_id(text: Option<String>) -> anyhow::Result<Option<Uuid>> {
    text.as_deref().map(id).transpose()
}

fn time(time: Option<Timestamp>) -> anyhow::Result<Option<Moment>> {
    let Some(Timestamp { seconds, nanos }) = time else { return Ok(None) };
    let time = chrono::DateTime::from_timestamp(seconds, u32::try_from(nanos)?);
    Ok(Some(Moment(time.context("a service told a malformed time")?)))
}

fn object(message: Option<Struct>) -> Map<String, Value> {
    match from_struct(message.unwrap_or_default()) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl Imported for pb::ImportedUser {
    type Record = User;

    fn into_record(self) -> anyhow::Result<User> {
        let status = name("USER_STATUS", self.status().as_str_name());
        let created_at = time(self.created_at)?;
        Ok(User {
            id: id(&self.id)?,
            email: self.email,
            username: self.username,
            status,
            email_verified: self.email_verified,
            first_name: self.first_name,
            last_name: self.last_name,
            avatar_url: self.avatar_url,
            password_hash: None,
            metadata: object(self.metadata),
            created_at,
            updated_at: time(self.updated_at)?,
            last_login_at: time(self.last_login_at)?,
            profile: self.profile.map(|told| profile(told, created_at)).transpose()?.flatten(),
        })
    }
}

/// The profile, unless it is the empty one that every account has from its beginning.
fn profile(
    told: pb::ImportedUserProfile,
    account_created: Option<Moment>,
) -> anyhow::Result<Option<Profile>> {
    let (created_at, updated_at) = (time(told.created_at)?, time(told.updated_at)?);
    let profile = Profile {
        bio: told.bio,
        location: told.location,
        website_url: told.website_url,
        social_links: object(told.social_links),
        preferences: object(told.preferences),
        created_at: created_at.filter(|_| created_at != account_created),
        updated_at: updated_at.filter(|_| updated_at != created_at),
    };
    Ok((profile != Profile::default()).then_some(profile))
}

impl Imported for pb::ImportedProject {
    type Record = Project;

    fn into_record(self) -> anyhow::Result<Project> {
        let status = name("PROJECT_STATUS", self.status().as_str_name());
        let visibility = name("PROJECT_VISIBILITY", self.visibility().as_str_name());
        let created_at = time(self.created_at)?;
        let owner_joined_at = time(self.owner_joined_at)?;
        Ok(Project {
            id: id(&self.id)?,
            name: self.name,
            description: self.description,
            owner_id: id(&self.owner_id)?,
            status,
            visibility,
            settings: object(self.settings),
            created_at,
            updated_at: time(self.updated_at)?,
            archived_at: time(self.archived_at)?,
            owner_joined_at: owner_joined_at.filter(|_| owner_joined_at != created_at),
        })
    }
}

impl Imported for pb::ImportedMember {
    type Record = Member;

    fn into_record(self) -> anyhow::Result<Member> {
        let role = name("PROJECT_ROLE", self.role().as_str_name());
        Ok(Member {
            project_id: id(&self.project_id)?,
            user_id: id(&self.user_id)?,
            role,
            permissions: object(self.permissions),
            joined_at: time(self.joined_at)?,
        })
    }
}

impl Imported for pb::ImportedProjectKey {
    type Record = ProjectKey;

    fn into_record(self) -> anyhow::Result<ProjectKey> {
        let Self { project_id, key, last_number, line: _ } = self;
        Ok(ProjectKey { project_id: id(&project_id)?, key, last_number })
    }
}

impl Imported for pb::ImportedTask {
    type Record = Task;

    fn into_record(self) -> anyhow::Result<Task> {
        let status = name("TASK_STATUS", self.status().as_str_name());
        let priority = name("TASK_PRIORITY", self.priority().as_str_name());
        Ok(Task {
            id: id(&self.id)?,
            project_id: id(&self.project_id)?,
            parent_task_id: optional_id(self.parent_task_id)?,
            title: self.title,
            description: self.description,
            status,
            priority,
            assignee_id: optional_id(self.assignee_id)?,
            creator_id: id(&self.creator_id)?,
            due_date: time(self.due_date)?,
            estimated_hours: self.estimated_hours,
            actual_hours: self.actual_hours,
            tags: self.tags,
            metadata: object(self.metadata),
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
            completed_at: time(self.completed_at)?,
            key: self.key,
            rank: self.rank,
        })
    }
}

impl Imported for pb::ImportedTaskDependency {
    type Record = Dependency;

    fn into_record(self) -> anyhow::Result<Dependency> {
        let dependency_type = name("DEPENDENCY_TYPE", self.dependency_type().as_str_name());
        Ok(Dependency {
            id: optional_id(self.id)?,
            task_id: id(&self.task_id)?,
            depends_on_task_id: id(&self.depends_on_task_id)?,
            dependency_type,
            created_at: time(self.created_at)?,
        })
    }
}

impl Imported for pb::ImportedDocument {
    type Record = Document;

    fn into_record(self) -> anyhow::Result<Document> {
        let status = name("DOCUMENT_STATUS", self.status().as_str_name());
        Ok(Document {
            id: id(&self.id)?,
            project_id: id(&self.project_id)?,
            title: self.title,
            content_type: Some(self.content_type),
            author_id: id(&self.author_id)?,
            status,
            tags: self.tags,
            metadata: object(self.metadata),
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
            published_at: time(self.published_at)?,
        })
    }
}

impl Imported for pb::ImportedDocumentVersion {
    type Record = DocumentVersion;

    fn into_record(self) -> anyhow::Result<DocumentVersion> {
        Ok(DocumentVersion {
            document_id: id(&self.document_id)?,
            version_number: self.version_number,
            title: self.title,
            content: self.content,
            change_summary: self.change_summary,
            author_id: id(&self.author_id)?,
            created_at: time(self.created_at)?,
        })
    }
}

impl Imported for pb::ImportedAttachment {
    type Record = Attachment;

    /// Without its path, which is not known yet.
    fn into_record(self) -> anyhow::Result<Attachment> {
        let entity_type = name("ENTITY_TYPE", self.entity_type().as_str_name());
        Ok(Attachment {
            id: id(&self.id)?,
            entity_type: entity_type.context("a service told an attachment of nothing")?,
            entity_id: id(&self.entity_id)?,
            filename: self.filename,
            path: None,
            content_base64: None,
            sha256: Some(self.sha256),
            uploader_id: id(&self.uploader_id)?,
            metadata: object(self.metadata),
            created_at: time(self.created_at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_profile_says_nothing() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let told = |created, updated| pb::ImportedUserProfile {
            created_at: at(created),
            updated_at: at(updated),
            ..Default::default()
        };
        let account = time(at(1)).unwrap();
        assert_eq!(profile(told(1, 1), account).unwrap(), None);
        assert_eq!(profile(told(1, 2), account).unwrap().unwrap().created_at, None);
        assert_eq!(profile(told(2, 2), account).unwrap().unwrap().updated_at, None);
    }

    #[test]
    fn names_are_short() {
        assert_eq!(name("TASK_STATUS", "TASK_STATUS_IN_PROGRESS").as_deref(), Some("in_progress"));
        assert_eq!(name("TASK_STATUS", "TASK_STATUS_UNSPECIFIED"), None);
    }
}
