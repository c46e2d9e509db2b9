//! Changes on the wire.

use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::json;
use shared::proto::project::v1 as pb;
use shared::proto::project::v1::project_event::Subject;
use shared::validation::{ProtoEnum, Violations};
use uuid::Uuid;

use super::{Change, Part, Wish};
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

/// A change, if it is of one of these parts.
pub(crate) fn event(change: &Change, parts: &[Part]) -> Result<Option<pb::ProjectEvent>> {
    let Some(part) = Part::of_entity(&change.entity).filter(|part| parts.contains(part)) else {
        return Ok(None);
    };
    let kind = match change.operation.as_str() {
        "insert" => pb::ChangeKind::Created,
        "update" => pb::ChangeKind::Updated,
        _ => pb::ChangeKind::Deleted,
    };
    Ok(Some(pb::ProjectEvent {
        kind: kind.into(),
        sequence: change.place.position,
        changed_at: Some(json::to_timestamp(change.changed_at)),
        actor_id: change.actor_id.map(|user| user.to_string()).unwrap_or_default(),
        trace_id: change.trace_id.clone().unwrap_or_default(),
        changed_fields: changed_fields(change),
        subject: Some(subject(change, part)?),
    }))
}

fn subject(change: &Change, part: Part) -> Result<Subject> {
    let now = change.changed_at;
    // The version of a row is the transaction that wrote it.
    let version = etag_of(change);
    Ok(match part {
        Part::Project => {
            let [before, after] = both::<Project>(change)?.map(|row| row.map(pb::Project::from));
            Subject::Project(pb::ProjectChange {
                before: before.map(|project| pb::Project { etag: String::new(), ..project }),
                after: after.map(|project| pb::Project { etag: version, ..project }),
            })
        }
        Part::Member => {
            let [before, after] = both::<Member>(change)?.map(|row| row.map(pb::Member::from));
            Subject::Member(pb::MemberChange {
                before: before.map(|member| pb::Member { etag: String::new(), ..member }),
                after: after.map(|member| pb::Member { etag: version, ..member }),
            })
        }
        Part::Invitation => {
            let [before, after] = both::<Invitation>(change)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Invitation(pb::InvitationChange {
                before: before.map(|invitation| pb::Invitation { etag: String::new(), ..invitation }),
                after: after.map(|invitation| pb::Invitation { etag: version, ..invitation }),
            })
        }
        Part::Transfer => {
            let [before, after] = both::<Transfer>(change)?.map(|row| row.map(|row| row.to_message(now)));
            Subject::Transfer(pb::TransferChange {
                before: before.map(|transfer| pb::OwnershipTransfer { etag: String::new(), ..transfer }),
                after: after.map(|transfer| pb::OwnershipTransfer { etag: version, ..transfer }),
            })
        }
    })
}

/// Before and after.
fn both<T: DeserializeOwned>(change: &Change) -> Result<[Option<T>; 2]> {
    let read = |values: &Option<Value>| {
        values.clone().map(serde_json::from_value).transpose().map_err(Error::internal)
    };
    Ok([read(&change.old_values)?, read(&change.new_values)?])
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "xmin is the lower half (PostgreSQL)"
)]
fn etag_of(change: &Change) -> String {
    shared::etag::of(change.place.transaction_id as u32)
}

/// The fields of the resource that differ; of a new or a deleted one, none.
fn changed_fields(change: &Change) -> Vec<String> {
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (&change.old_values, &change.new_values)
    else {
        return Vec::new();
    };
    let differing = new.iter().filter(|(column, value)| old.get(*column) != Some(value));
    differing.filter_map(|(column, _)| field_of(column)).map(str::to_owned).collect()
}

/// The field of a column. Two of an invitation's are nobody's concern.
fn field_of(column: &str) -> Option<&str> {
    match column {
        "mail_id" | "sent_at" => None,
        "generation" => Some("send_count"),
        other => Some(other),
    }
}
