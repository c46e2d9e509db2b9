//! Lines as messages of the importing RPCs. Only what a line must be to be sent is checked here; the services
//! check the rest by the rules of their public RPCs.

use proto::content::admin::v1::{ImportedAttachment, ImportedDocument, ImportedDocumentVersion};
use proto::content::v1::{DocumentStatus, EntityType};
use proto::identity::admin::v1::{ImportedUser, ImportedUserProfile};
use proto::identity::v1::UserStatus;
use proto::project::admin::v1::{ImportedMember, ImportedProject};
use proto::project::v1::{ProjectRole, ProjectStatus, ProjectVisibility};
use proto::task::admin::v1::{ImportedProjectKey, ImportedTask, ImportedTaskDependency};
use proto::task::v1::{DependencyType, TaskPriority, TaskStatus};
use serde_json::{Map, Value};
use shared::json::{to_struct, to_timestamp};

use crate::interchange::records::{
    Attachment, Dependency, Document, DocumentVersion, Member, Moment, Profile, Project, ProjectKey, Task,
    User,
};

/// The number of an enum's value by the name that files use, as `in_progress`; 0 when there is none.
fn number<E: Into<i32>>(
    prefix: &str,
    known: impl Fn(&str) -> Option<E>,
    name: Option<&str>,
) -> Result<i32, String> {
    let Some(name) = name else { return Ok(0) };
    let full = format!("{prefix}_{}", name.to_ascii_uppercase());
    let value = known(&full).map(Into::into).filter(|value| *value != 0);
    value.ok_or_else(|| format!("`{name}` is no {}", prefix.to_ascii_lowercase().replace('_', " ")))
}

fn time(moment: Option<Moment>) -> Option<prost_types::Timestamp> {
    moment.map(|moment| to_timestamp(moment.0))
}

fn object(fields: Map<String, Value>) -> Option<prost_types::Struct> {
    (!fields.is_empty()).then(|| to_struct(&Value::Object(fields)))
}

pub(super) fn user(user: User, line: u64) -> Result<ImportedUser, String> {
    Ok(ImportedUser {
        line,
        id: user.id.to_string(),
        email: user.email,
        username: user.username,
        status: number("USER_STATUS", UserStatus::from_str_name, user.status.as_deref())?,
        email_verified: user.email_verified,
        first_name: user.first_name,
        last_name: user.last_name,
        avatar_url: user.avatar_url,
        password_hash: user.password_hash,
        metadata: object(user.metadata),
        created_at: time(user.created_at),
        updated_at: time(user.updated_at),
        last_login_at: time(user.last_login_at),
        profile: user.profile.map(profile),
    })
}

fn profile(profile: Profile) -> ImportedUserProfile {
    ImportedUserProfile {
        bio: profile.bio,
        location: profile.location,
        website_url: profile.website_url,
        social_links: object(profile.social_links),
        preferences: object(profile.preferences),
        created_at: time(profile.created_at),
        updated_at: time(profile.updated_at),
    }
}

pub(super) fn project(project: Project, line: u64) -> Result<ImportedProject, String> {
    let status = project.status.as_deref();
    let visibility = project.visibility.as_deref();
    Ok(ImportedProject {
        line,
        id: project.id.to_string(),
        owner_id: project.owner_id.to_string(),
        status: number("PROJECT_STATUS", ProjectStatus::from_str_name, status)?,
        visibility: number("PROJECT_VISIBILITY", ProjectVisibility::from_str_name, visibility)?,
        name: project.name,
        description: project.description,
        settings: object(project.settings),
        created_at: time(project.created_at),
        updated_at: time(project.updated_at),
        archived_at: time(project.archived_at),
        owner_joined_at: time(project.owner_joined_at),
    })
}

pub(super) fn member(member: Member, line: u64) -> Result<ImportedMember, String> {
    Ok(ImportedMember {
        line,
        project_id: member.project_id.to_string(),
        user_id: member.user_id.to_string(),
        role: number("PROJECT_ROLE", ProjectRole::from_str_name, member.role.as_deref())?,
        permissions: object(member.permissions),
        joined_at: time(member.joined_at),
    })
}

pub(super) fn project_key(key: ProjectKey, line: u64) -> Result<ImportedProjectKey, String> {
    let ProjectKey { project_id, key, last_number } = key;
    Ok(ImportedProjectKey { line, project_id: project_id.to_string(), key, last_number })
}

pub(super) fn task(task: Task, line: u64) -> Result<ImportedTask, String> {
    Ok(ImportedTask {
        line,
        id: task.id.to_string(),
        project_id: task.project_id.to_string(),
        parent_task_id: task.parent_task_id.map(|id| id.to_string()),
        title: task.title,
        description: task.description,
        status: number("TASK_STATUS", TaskStatus::from_str_name, task.status.as_deref())?,
        priority: number("TASK_PRIORITY", TaskPriority::from_str_name, task.priority.as_deref())?,
        assignee_id: task.assignee_id.map(|id| id.to_string()),
        creator_id: task.creator_id.to_string(),
        due_date: time(task.due_date),
        estimated_hours: task.estimated_hours,
        actual_hours: task.actual_hours,
        tags: task.tags,
        metadata: object(task.metadata),
        created_at: time(task.created_at),
        updated_at: time(task.updated_at),
        completed_at: time(task.completed_at),
        key: task.key,
        rank: task.rank,
    })
}

pub(super) fn dependency(dependency: Dependency, line: u64) -> Result<ImportedTaskDependency, String> {
    let kind = dependency.dependency_type.as_deref();
    Ok(ImportedTaskDependency {
        line,
        id: dependency.id.map(|id| id.to_string()),
        task_id: dependency.task_id.to_string(),
        depends_on_task_id: dependency.depends_on_task_id.to_string(),
        dependency_type: number("DEPENDENCY_TYPE", DependencyType::from_str_name, kind)?,
        created_at: time(dependency.created_at),
    })
}

pub(super) fn document(document: Document, line: u64) -> Result<ImportedDocument, String> {
    Ok(ImportedDocument {
        line,
        id: document.id.to_string(),
        project_id: document.project_id.to_string(),
        title: document.title,
        content_type: document.content_type.unwrap_or_default(),
        author_id: document.author_id.to_string(),
        status: number("DOCUMENT_STATUS", DocumentStatus::from_str_name, document.status.as_deref())?,
        tags: document.tags,
        metadata: object(document.metadata),
        created_at: time(document.created_at),
        updated_at: time(document.updated_at),
        published_at: time(document.published_at),
    })
}

pub(super) fn version(version: DocumentVersion, line: u64) -> Result<ImportedDocumentVersion, String> {
    Ok(ImportedDocumentVersion {
        line,
        document_id: version.document_id.to_string(),
        version_number: version.version_number,
        title: version.title,
        content: version.content,
        change_summary: version.change_summary,
        author_id: version.author_id.to_string(),
        created_at: time(version.created_at),
    })
}

/// The header; its `sha256` is empty when the line has none.
pub(super) fn attachment(attachment: Attachment, line: u64) -> Result<ImportedAttachment, String> {
    let entity_type = Some(attachment.entity_type.as_str());
    Ok(ImportedAttachment {
        line,
        id: attachment.id.to_string(),
        entity_type: number("ENTITY_TYPE", EntityType::from_str_name, entity_type)?,
        entity_id: attachment.entity_id.to_string(),
        filename: attachment.filename,
        sha256: attachment.sha256.unwrap_or_default(),
        uploader_id: attachment.uploader_id.to_string(),
        metadata: object(attachment.metadata),
        created_at: time(attachment.created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_enums_are_those_of_the_protos() {
        let status = |name| number("TASK_STATUS", TaskStatus::from_str_name, name);
        assert_eq!(status(None), Ok(0));
        assert_eq!(status(Some("in_progress")), Ok(TaskStatus::InProgress.into()));
        assert_eq!(status(Some("unspecified")), Err("`unspecified` is no task status".to_owned()));
        assert_eq!(status(Some("doing")), Err("`doing` is no task status".to_owned()));
    }

    #[test]
    fn a_line_without_options_leaves_them_to_the_service() {
        let wire = task(Task { title: "t".into(), ..Default::default() }, 7).unwrap();
        assert_eq!((wire.line, wire.status, wire.metadata, wire.created_at), (7, 0, None, None));
    }
}
