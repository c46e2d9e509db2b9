//! Conversions of milestones from and to proto.

use proto::task::v1 as pb;
use shared::error::Result;
use shared::etag;
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::{Mask, Violations};
use uuid::Uuid;

use super::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, Milestone, MilestoneChange, NewMilestone};

/// The fields that an update mask may name.
const CHANGEABLE: &[&str] = &["name", "description", "due_at"];

/// A validated request to create a milestone.
#[derive(Debug)]
pub(super) struct CreateMilestoneInput {
    pub(super) key: Option<RequestKey>,
    pub(super) milestone: NewMilestone,
}

impl TryFrom<pb::CreateMilestoneRequest> for CreateMilestoneInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::CreateMilestoneRequest) -> Result<Self> {
        let mut outer = Violations::new();
        let key = RequestKey::of(&mut outer, &request.request_id, &request);
        let milestone = outer.message("milestone", request.milestone);
        let mut v = Violations::within("milestone.");
        let milestone = NewMilestone {
            id: v.uuid_or_new("id", &milestone.id),
            project_id: v.uuid("project_id", &milestone.project_id),
            name: name(&mut v, milestone.name),
            description: description(&mut v, milestone.description),
            due_date: v.optional_time("due_at", milestone.due_at),
        };
        outer.absorb(v);
        outer.finish()?;
        Ok(Self { key, milestone })
    }
}

pub(crate) fn name(v: &mut Violations, value: String) -> String {
    v.line("name", value, 1, MAX_NAME_CHARS)
}

pub(crate) fn description(v: &mut Violations, value: Option<String>) -> Option<String> {
    v.optional_text("description", value, MAX_DESCRIPTION_CHARS)
}

#[derive(Debug)]
pub(super) struct ListMilestonesInput {
    pub(super) project_id: Uuid,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl TryFrom<pb::ListMilestonesRequest> for ListMilestonesInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::ListMilestonesRequest) -> Result<Self> {
        let pb::ListMilestonesRequest { project_id, page_size, page_token } = request;
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &project_id);
        v.require(page_size >= 0, "page_size", "must not be negative");
        v.finish()?;
        Ok(Self { project_id, page_size, page_token })
    }
}

/// A validated update of a milestone.
#[derive(Debug)]
pub(super) struct UpdateMilestoneInput {
    pub(super) id: Uuid,
    pub(super) etag: String,
    /// `None` if nothing changes.
    pub(super) change: Option<MilestoneChange>,
}

impl TryFrom<pb::UpdateMilestoneRequest> for UpdateMilestoneInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::UpdateMilestoneRequest) -> Result<Self> {
        let mut v = Violations::within("milestone.");
        let milestone = v.message("milestone", request.milestone);
        let id = v.resource_uuid("id", &milestone.id);
        v.optional_uuid("project_id", &milestone.project_id);
        let mut mask = Mask::of(&mut v, request.update_mask, CHANGEABLE);
        let change = MilestoneChange {
            name: mask.pick("name", milestone.name, |value| name(&mut v, value)),
            description: mask.pick("description", milestone.description, |value| description(&mut v, value)),
            due_date: mask.pick("due_at", milestone.due_at, |value| v.optional_time("due_at", value)),
        };
        v.finish()?;
        Ok(Self { id, etag: milestone.etag, change: mask.has_changes().then_some(change) })
    }
}

impl From<Milestone> for pb::Milestone {
    fn from(milestone: Milestone) -> Self {
        Self {
            id: milestone.id.to_string(),
            project_id: milestone.project_id.to_string(),
            name: milestone.name,
            description: milestone.description,
            due_at: milestone.due_date.map(to_timestamp),
            created_at: Some(to_timestamp(milestone.created_at)),
            updated_at: Some(to_timestamp(milestone.updated_at)),
            etag: etag::of(milestone.version),
        }
    }
}
