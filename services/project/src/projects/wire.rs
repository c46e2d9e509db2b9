//! Projects on the wire.

use shared::access::ProjectAccess;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::proto::project::v1 as pb;
use shared::schema::ProjectVisibility;
use shared::validation::{MAX_TEXT_CHARS, Mask, Violations};
use shared::{etag, json};
use uuid::Uuid;

use super::{MAX_NAME_CHARS, NewProject, Project, ProjectChange, ProjectFilter};

/// A checked [`pb::CreateProjectRequest`].
pub(crate) struct CreateProject {
    pub key: Option<RequestKey>,
    pub project: NewProject,
}

impl CreateProject {
    /// Checks the request; the project will be this user's.
    pub(crate) fn of(request: pb::CreateProjectRequest, owner_id: Uuid) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let project = NewProject {
            id: v.uuid_or_new("project_id", &request.project_id),
            name: v.line("name", request.name, 1, MAX_NAME_CHARS),
            description: v.optional_text("description", request.description, MAX_TEXT_CHARS),
            owner_id,
            visibility: v
                .optional_enum("visibility", request.visibility)
                .unwrap_or(ProjectVisibility::Private),
            settings: v.json("settings", request.settings),
        };
        v.finish()?;
        Ok(Self { key, project })
    }
}

/// A checked [`pb::UpdateProjectRequest`].
pub(crate) struct UpdateProject {
    pub id: Uuid,
    pub etag: String,
    /// `None` if the mask names nothing.
    pub change: Option<ProjectChange>,
}

impl TryFrom<pb::UpdateProjectRequest> for UpdateProject {
    type Error = Error;

    fn try_from(request: pb::UpdateProjectRequest) -> Result<Self> {
        let mut all = Violations::new();
        all.require(request.project.is_some(), "project", "must be given");
        let mask =
            Mask::of(&mut all, request.update_mask, &["name", "description", "visibility", "settings"]);
        let project = request.project.unwrap_or_default();
        let mut v = Violations::within("project.");
        let id = v.uuid("id", &project.id);
        let change = ProjectChange {
            name: mask.pick("name", || v.line("name", project.name, 1, MAX_NAME_CHARS)),
            description: mask
                .pick("description", || v.optional_text("description", project.description, MAX_TEXT_CHARS)),
            visibility: mask.pick("visibility", || {
                v.optional_enum("visibility", project.visibility).unwrap_or(ProjectVisibility::Private)
            }),
            settings: mask.pick("settings", || v.json("settings", project.settings)),
            ..ProjectChange::default()
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { id, etag: project.etag, change: (!mask.is_empty()).then_some(change) })
    }
}

/// A checked [`pb::ListProjectsRequest`].
pub(crate) struct ListProjects {
    pub filter: ProjectFilter,
    pub page_size: i32,
    pub page_token: String,
}

impl ListProjects {
    /// Checks the request of this user.
    pub(crate) fn of(request: pb::ListProjectsRequest, user_id: Uuid) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let filter = ProjectFilter {
            statuses: v.enums("statuses", &request.statuses),
            owner_id: v.optional_uuid("owner_id", &request.owner_id),
            member_id: request.member_only.then_some(user_id),
        };
        v.finish()?;
        Ok(Self { filter, page_size: request.page_size, page_token: request.page_token })
    }
}

/// The project that a request names.
pub(crate) fn project_id(text: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("project_id", text);
    v.finish()?;
    Ok(id)
}

/// What a caller may do.
pub(crate) fn effective_permissions(access: &ProjectAccess) -> pb::EffectivePermissions {
    pb::EffectivePermissions {
        project_id: access.project_id.to_string(),
        role: access.role.map(i32::from).unwrap_or_default(),
        permissions: access.permissions.iter().map(i32::from).collect(),
    }
}

impl From<Project> for pb::Project {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name,
            description: project.description,
            owner_id: project.owner_id.to_string(),
            status: project.status.into(),
            visibility: project.visibility.into(),
            settings: Some(json::to_struct(&project.settings)),
            created_at: Some(json::to_timestamp(project.created_at)),
            updated_at: Some(json::to_timestamp(project.updated_at)),
            archived_at: project.archived_at.map(json::to_timestamp),
            etag: etag::of(project.version),
        }
    }
}
