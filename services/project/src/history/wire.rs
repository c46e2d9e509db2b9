//! Conversion of changes to messages.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::project::v1 as pb;
use proto::project::v1::project_event::Subject;
use serde::de::DeserializeOwned;
use shared::change_log::{Operation, Record};
use shared::error::{Error, Result};
use shared::json;
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::{EventFilter, EventResource};
use crate::invitations::Invitation;
use crate::members::Member;
use crate::ownership::Transfer;
use crate::projects::Project;

impl ProtoEnum for EventResource {
    fn from_wire(value: i32) -> Option<Option<Self>> {
        Some(match pb::ProjectPart::try_from(value).ok()? {
            pb::ProjectPart::Unspecified => None,
            pb::ProjectPart::Project => Some(Self::Project),
            pb::ProjectPart::Member => Some(Self::Member),
            pb::ProjectPart::Invitation => Some(Self::Invitation),
            pb::ProjectPart::Transfer => Some(Self::Transfer),
        })
    }
}

/// A validated [`pb::ListProjectHistoryRequest`].
pub(crate) struct ListHistoryInput {
    pub project_id: Uuid,
    pub filter: EventFilter,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListProjectHistoryRequest> for ListHistoryInput {
    type Error = Error;

    fn try_from(request: pb::ListProjectHistoryRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let project_id = v.uuid("project_id", &request.project_id);
        let filter = EventFilter {
            parts: v.enums("parts", &request.parts),
            actor_id: v.optional_uuid("actor_id", &request.actor_id),
            since: v.optional_time("since", request.since),
            until: v.optional_time("until", request.until),
        };
        v.finish()?;
        Ok(Self { project_id, filter, page_size: request.page_size, page_token: request.page_token })
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
        let filter =
            EventFilter { parts: v.enums("parts", &request.parts), actor_id: None, since: None, until: None };
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

/// The event of a change, or `None` if its resource is not in the list.
pub(crate) fn event(record: &Record, parts: &[EventResource]) -> Result<Option<pb::ProjectEvent>> {
    let Some(part) = EventResource::of_entity(&record.entity).filter(|part| parts.contains(part)) else {
        return Ok(None);
    };
    let kind = match record.operation {
        Operation::Insert => pb::ChangeKind::Created,
        Operation::Update => pb::ChangeKind::Updated,
        Operation::Delete => pb::ChangeKind::Deleted,
    };
    Ok(Some(pb::ProjectEvent {
        kind: kind.into(),
        sequence: record.cursor.position,
        changed_at: Some(json::to_timestamp(record.changed_at)),
        actor_id: record.actor_id.map(|user| user.to_string()).unwrap_or_default(),
        trace_id: record.trace_id.clone().unwrap_or_default(),
        changed_fields: record.changed_columns().filter_map(field_of).map(str::to_owned).collect(),
        subject: Some(subject(record, part)?),
    }))
}

fn subject(record: &Record, part: EventResource) -> Result<Subject> {
    let now = record.changed_at;
    let version = shared::etag::of(record.row_version());
    Ok(match part {
        EventResource::Project => Subject::Project(pb::ProjectChange {
            before: record.before()?.map(past_project),
            after: record.after::<Project>()?.map(|project| pb::Project { etag: version, ..project.into() }),
        }),
        EventResource::Member => Subject::Member(pb::MemberChange {
            before: record.before()?.map(past_member),
            after: record.after::<Member>()?.map(|member| pb::Member { etag: version, ..member.into() }),
        }),
        EventResource::Invitation => {
            let [before, after] = both::<Invitation>(record)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Invitation(pb::InvitationChange {
                before: before.map(|invitation| pb::Invitation { etag: String::new(), ..invitation }),
                after: after.map(|invitation| pb::Invitation { etag: version, ..invitation }),
            })
        }
        EventResource::Transfer => {
            let [before, after] = both::<Transfer>(record)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Transfer(pb::TransferChange {
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

/// The API field of a column; `None` for columns that are not part of the API.
fn field_of(column: &str) -> Option<&str> {
    match column {
        "mail_id" | "sent_at" => None,
        "generation" => Some("send_count"),
        other => Some(other),
    }
}
