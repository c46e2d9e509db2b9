//! Conversion of changes to messages.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::project::v1 as pb;
use proto::project::v1::project_event::Resource;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::access::PermissionExceptions;
use shared::change_log::{Record, resource_types};
use shared::error::{Error, Result};
use shared::validation::Violations;
use uuid::Uuid;

use super::{EventFilter, EventResource, HistoryQuery, Visibility};
use crate::invitations::Invitation;
use crate::members::Member;
use crate::ownership::Transfer;
use crate::projects::Project;

/// A validated [`pb::ListProjectHistoryRequest`].
pub(crate) struct ListHistoryInput {
    pub project_id: Uuid,
    pub query: HistoryQuery,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListProjectHistoryRequest> for ListHistoryInput {
    type Error = Error;

    fn try_from(request: pb::ListProjectHistoryRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let project_id = v.uuid("project_id", &request.project_id);
        let query = HistoryQuery {
            filter: event_filter(&mut v, request.filter),
            changed_at: v.time_range("changed_at", request.changed_at),
        };
        v.finish()?;
        Ok(Self { project_id, query, page_size: request.page_size, page_token: request.page_token })
    }
}

fn event_filter(v: &mut Violations, filter: Option<pb::ProjectEventFilter>) -> EventFilter {
    let filter = filter.unwrap_or_default();
    let in_feed = EventResource::ALL.map(EventResource::resource_type);
    EventFilter {
        operations: v.enums("filter.kinds", &filter.kinds),
        resources: resource_types(v, "filter.resource_types", &filter.resource_types, &in_feed),
        actor_id: v.optional_uuid("filter.actor_id", &filter.actor_id),
    }
}

/// A validated [`pb::WatchProjectRequest`].
pub(crate) struct WatchProjectInput {
    pub project_id: Uuid,
    pub filter: EventFilter,
    pub resume_token: String,
}

impl TryFrom<pb::WatchProjectRequest> for WatchProjectInput {
    type Error = Error;

    fn try_from(request: pb::WatchProjectRequest) -> Result<Self> {
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let filter = event_filter(&mut v, request.filter);
        v.finish()?;
        Ok(Self { project_id, filter, resume_token: request.resume_token })
    }
}

#[derive(Debug)]
pub(crate) struct PointInTime {
    pub project_id: Uuid,
    pub at: DateTime<Utc>,
}

impl TryFrom<&pb::GetProjectAtRequest> for PointInTime {
    type Error = Error;

    fn try_from(request: &pb::GetProjectAtRequest) -> Result<Self> {
        read_past(Violations::new(), &request.project_id, request.at_time)
    }
}

impl TryFrom<&pb::ListMembersAtRequest> for PointInTime {
    type Error = Error;

    fn try_from(request: &pb::ListMembersAtRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        read_past(v, &request.project_id, request.at_time)
    }
}

fn read_past(mut v: Violations, project_id: &str, at_time: Option<Timestamp>) -> Result<PointInTime> {
    let moment =
        PointInTime { project_id: v.uuid("project_id", project_id), at: v.past_time("at_time", at_time) };
    v.finish()?;
    Ok(moment)
}

/// The event of a change, or `None` if it is not requested or not visible.
pub(crate) fn event(
    record: &Record,
    project_id: Uuid,
    filter: &EventFilter,
    visibility: Visibility,
) -> Result<Option<pb::ProjectEvent>> {
    let resource = filter.matching(record, visibility);
    resource.map(|resource| event_of(record, project_id, resource)).transpose()
}

/// The event of a change for one who may see everything; `None` if it is no change of a project.
pub(crate) fn any_event(record: &Record) -> Result<Option<pb::ProjectEvent>> {
    let resource = EventResource::of_entity(&record.entity).zip(record.project_id);
    resource.map(|(resource, project_id)| event_of(record, project_id, resource)).transpose()
}

fn event_of(record: &Record, project_id: Uuid, resource: EventResource) -> Result<pb::ProjectEvent> {
    let change = record.to_change(resource.resource_type(), project_id, changed_fields(record)?);
    Ok(pb::ProjectEvent { change: Some(change), resource: Some(states(record, resource)?) })
}

fn states(record: &Record, resource: EventResource) -> Result<Resource> {
    let now = record.changed_at;
    let version = shared::etag::of(record.row_version());
    Ok(match resource {
        EventResource::Project => Resource::Project(pb::ProjectChange {
            before: record.before()?.map(past_project),
            after: record.after::<Project>()?.map(|project| pb::Project { etag: version, ..project.into() }),
        }),
        EventResource::Member => Resource::Member(pb::MemberChange {
            before: record.before()?.map(past_member),
            after: record.after::<Member>()?.map(|member| pb::Member { etag: version, ..member.into() }),
        }),
        EventResource::Invitation => {
            let [before, after] = both::<Invitation>(record)?.map(|row| row.map(|row| row.to_wire(now)));
            Resource::Invitation(pb::InvitationChange {
                before: before.map(|invitation| pb::Invitation { etag: String::new(), ..invitation }),
                after: after.map(|invitation| pb::Invitation { etag: version, ..invitation }),
            })
        }
        EventResource::OwnershipTransfer => {
            let [before, after] = both::<Transfer>(record)?.map(|row| row.map(|row| row.to_wire(now)));
            Resource::OwnershipTransfer(pb::OwnershipTransferChange {
                before: before.map(|transfer| pb::OwnershipTransfer { etag: String::new(), ..transfer }),
                after: after.map(|transfer| pb::OwnershipTransfer { etag: version, ..transfer }),
            })
        }
    })
}

/// A past state has no etag, because it cannot be changed.
pub(crate) fn past_project(project: Project) -> pb::Project {
    pb::Project { etag: String::new(), ..project.into() }
}

pub(crate) fn past_member(member: Member) -> pb::Member {
    pb::Member { etag: String::new(), ..member.into() }
}

fn both<T: DeserializeOwned>(record: &Record) -> Result<[Option<T>; 2]> {
    Ok([record.before()?, record.after()?])
}

/// The API names of the fields that differ. Columns that are not part of the API are left out.
fn changed_fields(record: &Record) -> Result<Vec<String>> {
    let mut fields = Vec::new();
    for column in record.changed_columns() {
        match column {
            "mail_id" | "sent_at" => {}
            "generation" => fields.push("send_count".to_owned()),
            "permissions" => {
                let [before, after] = both::<PermissionsColumn>(record)?.map(Option::unwrap_or_default);
                let [before, after] =
                    [before, after].map(|row| PermissionExceptions::from_json(&row.permissions));
                if before.denied != after.denied {
                    fields.push("denied_permissions".to_owned());
                }
                if before.granted != after.granted {
                    fields.push("granted_permissions".to_owned());
                }
            }
            other => fields.push(other.to_owned()),
        }
    }
    Ok(fields)
}

#[derive(Default, Deserialize)]
struct PermissionsColumn {
    permissions: Value,
}
