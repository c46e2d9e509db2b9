//! Conversion of projects from and to messages.

use proto::project::v1 as pb;
use shared::access::ProjectAccess;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::JsonChange;
use shared::schema::ProjectVisibility;
use shared::validation::{MAX_TEXT_CHARS, Mask, ProtoEnum, Violations, is_project_key};
use shared::{etag, json};
use uuid::Uuid;

use super::order::{Direction, ProjectOrder, SortKey};
use super::{
    MAX_FILTER_OWNERS, MAX_NAME_CHARS, MAX_SEARCH_CHARS, NewProject, Project, ProjectChange, ProjectFilter,
};

/// The fields that UpdateProject changes.
const CHANGEABLE: &[&str] = &["name", "key", "description", "visibility", "settings"];

/// A validated [`pb::CreateProjectRequest`].
pub(crate) struct CreateProjectInput {
    pub key: Option<RequestKey>,
    pub project: NewProject,
}

impl CreateProjectInput {
    pub(crate) fn of(request: pb::CreateProjectRequest, owner_id: Uuid) -> Result<Self> {
        let mut all = Violations::new();
        let key = RequestKey::of(&mut all, &request.request_id, &request);
        let project = all.message("project", request.project);
        let mut v = Violations::within("project.");
        let project = NewProject {
            id: v.uuid_or_new("id", &project.id),
            name: v.line("name", project.name, 1, MAX_NAME_CHARS),
            description: v.optional_text("description", project.description, MAX_TEXT_CHARS),
            owner_id,
            visibility: visibility(&mut v, project.visibility),
            settings: v.json("settings", project.settings),
            key: Some(project.key).filter(|key| !key.is_empty()).map(|key| project_key(&mut v, key)),
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { key, project })
    }
}

fn visibility(v: &mut Violations, visibility: i32) -> ProjectVisibility {
    v.optional_enum("visibility", visibility).unwrap_or(ProjectVisibility::Private)
}

/// The prefix of the keys of a project's tasks.
pub(crate) fn project_key(v: &mut Violations, key: String) -> String {
    v.require(is_project_key(&key), "key", "must have 2 to 10 capital letters and digits, a letter first");
    key
}

/// A validated [`pb::UpdateProjectRequest`].
pub(crate) struct UpdateProjectInput {
    pub id: Uuid,
    pub etag: String,
    /// `None` if the update changes nothing.
    pub change: Option<(ProjectChange, Option<JsonChange>)>,
}

impl TryFrom<pb::UpdateProjectRequest> for UpdateProjectInput {
    type Error = Error;

    fn try_from(request: pb::UpdateProjectRequest) -> Result<Self> {
        let mut v = Violations::within("project.");
        let project = v.message("project", request.project);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let id = v.resource_uuid("id", &project.id);
        let change = ProjectChange {
            name: mask.pick("name", project.name, |name| v.line("name", name, 1, MAX_NAME_CHARS)),
            key: mask.pick("key", project.key, |key| project_key(&mut v, key)),
            description: mask.pick("description", project.description, |description| {
                v.optional_text("description", description, MAX_TEXT_CHARS)
            }),
            visibility: mask.pick("visibility", project.visibility, |value| visibility(&mut v, value)),
            ..ProjectChange::default()
        };
        let settings = mask.pick_json(&mut v, "settings", project.settings, request.settings_patch);
        v.finish()?;
        Ok(Self { id, etag: project.etag, change: mask.has_changes().then_some((change, settings)) })
    }
}

/// A validated [`pb::ListProjectsRequest`].
pub(crate) struct ListProjectsInput {
    pub filter: ProjectFilter,
    pub order: ProjectOrder,
    pub page_size: i32,
    pub page_token: String,
}

impl ListProjectsInput {
    pub(crate) fn of(request: pb::ListProjectsRequest, user_id: Uuid) -> Result<Self> {
        let mut all = Violations::new();
        all.require(request.page_size >= 0, "page_size", "must not be negative");
        let order = all.optional_enum("order", request.order).unwrap_or_default();
        let filter = request.filter.unwrap_or_default();
        let mut v = Violations::within("filter.");
        let member_id = v.optional_uuid("member_id", &filter.member_id);
        let filter = ProjectFilter {
            statuses: v.enums("statuses", &filter.statuses),
            visibilities: v.enums("visibilities", &filter.visibilities),
            owner_ids: v.uuids("owner_ids", &filter.owner_ids, MAX_FILTER_OWNERS),
            member_ids: filter.member_only.then_some(user_id).into_iter().chain(member_id).collect(),
            text: v.optional_text("text", Some(filter.text), MAX_SEARCH_CHARS),
        };
        all.absorb(v);
        all.finish()?;
        Ok(Self { filter, order, page_size: request.page_size, page_token: request.page_token })
    }
}

impl ProtoEnum for ProjectOrder {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match pb::ProjectOrder::try_from(value).ok()? {
            pb::ProjectOrder::Unspecified => None,
            pb::ProjectOrder::CreatedDesc => Some(Self::of(SortKey::Created, Direction::Descending)),
            pb::ProjectOrder::CreatedAsc => Some(Self::of(SortKey::Created, Direction::Ascending)),
            pb::ProjectOrder::UpdatedDesc => Some(Self::of(SortKey::Updated, Direction::Descending)),
            pb::ProjectOrder::UpdatedAsc => Some(Self::of(SortKey::Updated, Direction::Ascending)),
            pb::ProjectOrder::NameAsc => Some(Self::of(SortKey::Name, Direction::Ascending)),
            pb::ProjectOrder::NameDesc => Some(Self::of(SortKey::Name, Direction::Descending)),
        })
    }
}

pub(crate) fn project_id(text: &str) -> Result<Uuid> {
    let mut v = Violations::new();
    let id = v.uuid("project_id", text);
    v.finish()?;
    Ok(id)
}

pub(crate) fn effective_permissions(access: &ProjectAccess) -> pb::EffectivePermissions {
    let (now, suspended) = access.effective();
    pb::EffectivePermissions {
        project_id: access.project_id.to_string(),
        role: access.role.map(i32::from).unwrap_or_default(),
        permissions: now.iter().map(i32::from).collect(),
        suspended_permissions: suspended.iter().map(i32::from).collect(),
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
            key: project.key,
        }
    }
}
