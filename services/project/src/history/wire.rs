//! Changes on the wire.

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

use super::{Part, Wish};
use crate::invitations::Invitation;
use crate::members::Member;
use crate::ownership::Transfer;
use crate::projects::Project;

impl ProtoEnum for Part {
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

/// A checked [`pb::ListProjectHistoryRequest`].
pub(crate) struct ListHistory {
    pub project_id: Uuid,
    pub wish: Wish,
    pub page_size: i32,
    pub page_token: String,
}

impl TryFrom<pb::ListProjectHistoryRequest> for ListHistory {
    type Error = Error;

    fn try_from(request: pb::ListProjectHistoryRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        let project_id = v.uuid("project_id", &request.project_id);
        let wish = Wish {
            parts: v.enums("parts", &request.parts),
            actor_id: v.optional_uuid("actor_id", &request.actor_id),
            since: v.optional_time("since", request.since),
            until: v.optional_time("until", request.until),
        };
        v.finish()?;
        Ok(Self { project_id, wish, page_size: request.page_size, page_token: request.page_token })
    }
}

/// A checked [`pb::WatchProjectRequest`].
pub(crate) struct WatchProject {
    pub project_id: Uuid,
    pub wish: Wish,
    pub resume_token: String,
}

impl TryFrom<pb::WatchProjectRequest> for WatchProject {
    type Error = Error;

    fn try_from(request: pb::WatchProjectRequest) -> Result<Self> {
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let wish = Wish { parts: v.enums("parts", &request.parts), actor_id: None, since: None, until: None };
        v.finish()?;
        Ok(Self { project_id, wish, resume_token: request.resume_token })
    }
}

/// A wish for what was at a time.
#[derive(Debug)]
pub(crate) struct Past {
    pub project_id: Uuid,
    pub at: DateTime<Utc>,
}

impl TryFrom<&pb::GetProjectAtRequest> for Past {
    type Error = Error;

    fn try_from(request: &pb::GetProjectAtRequest) -> Result<Self> {
        read_past(Violations::new(), &request.project_id, request.at_time)
    }
}

impl TryFrom<&pb::ListMembersAtRequest> for Past {
    type Error = Error;

    fn try_from(request: &pb::ListMembersAtRequest) -> Result<Self> {
        let mut v = Violations::new();
        v.require(request.page_size >= 0, "page_size", "must not be negative");
        read_past(v, &request.project_id, request.at_time)
    }
}

fn read_past(mut v: Violations, project_id: &str, at_time: Option<Timestamp>) -> Result<Past> {
    let past = Past { project_id: v.uuid("project_id", project_id), at: v.past_time("at_time", at_time) };
    v.finish()?;
    Ok(past)
}

/// A change, if it is of one of these parts.
pub(crate) fn event(record: &Record, parts: &[Part]) -> Result<Option<pb::ProjectEvent>> {
    let Some(part) = Part::of_entity(&record.entity).filter(|part| parts.contains(part)) else {
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

fn subject(record: &Record, part: Part) -> Result<Subject> {
    let now = record.changed_at;
    let version = shared::etag::of(record.row_version());
    Ok(match part {
        Part::Project => Subject::Project(pb::ProjectChange {
            before: record.before()?.map(project_of_the_past),
            after: record.after::<Project>()?.map(|project| pb::Project { etag: version, ..project.into() }),
        }),
        Part::Member => Subject::Member(pb::MemberChange {
            before: record.before()?.map(member_of_the_past),
            after: record.after::<Member>()?.map(|member| pb::Member { etag: version, ..member.into() }),
        }),
        Part::Invitation => {
            let [before, after] = both::<Invitation>(record)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Invitation(pb::InvitationChange {
                before: before.map(|invitation| pb::Invitation { etag: String::new(), ..invitation }),
                after: after.map(|invitation| pb::Invitation { etag: version, ..invitation }),
            })
        }
        Part::Transfer => {
            let [before, after] = both::<Transfer>(record)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Transfer(pb::TransferChange {
                before: before.map(|transfer| pb::OwnershipTransfer { etag: String::new(), ..transfer }),
                after: after.map(|transfer| pb::OwnershipTransfer { etag: version, ..transfer }),
            })
        }
    })
}

/// A project as it was. It has no etag: what is past cannot be changed.
pub(crate) fn project_of_the_past(project: Project) -> pb::Project {
    pb::Project { etag: String::new(), ..project.into() }
}

/// A membership as it was, without etag likewise.
pub(crate) fn member_of_the_past(member: Member) -> pb::Member {
    pb::Member { etag: String::new(), ..member.into() }
}

/// Before and after.
fn both<T: DeserializeOwned>(record: &Record) -> Result<[Option<T>; 2]> {
    Ok([record.before()?, record.after()?])
}

/// The field of a column. Two of an invitation's are nobody's concern.
fn field_of(column: &str) -> Option<&str> {
    match column {
        "mail_id" | "sent_at" => None,
        "generation" => Some("send_count"),
        other => Some(other),
    }
}
