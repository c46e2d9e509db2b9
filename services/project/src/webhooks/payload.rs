//! The bodies of requests.

use chrono::{DateTime, SecondsFormat, Utc};
use prost::Message;
use prost_reflect::DynamicMessage;
use proto::common::{Change, ChangeKind, ResourceType};
use serde::Serialize;
use serde_json::json;
use shared::error::{Error, Result};
use uuid::Uuid;

use super::TEST_EVENT;
use crate::events::EventPayload;

/// A larger event is sent without the states before and after it, in bytes.
const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

#[derive(Serialize)]
struct Body<'a, D> {
    r#type: &'a str,
    timestamp: String,
    data: D,
}

/// The type of an event, as `task.updated`; `None` for one that this version does not send.
pub(super) fn event_type(change: &Change) -> Option<String> {
    let (resource, kind) = (change.resource_type(), change.kind());
    if resource == ResourceType::Unspecified || kind == ChangeKind::Unspecified {
        return None;
    }
    let resource = resource.as_str_name().trim_start_matches("RESOURCE_TYPE_").to_lowercase();
    let kind = kind.as_str_name().trim_start_matches("CHANGE_KIND_").to_lowercase();
    Some(format!("{resource}.{kind}"))
}

/// The body of an event.
pub(super) fn body(event_type: &str, changed_at: DateTime<Utc>, payload: &EventPayload) -> Result<String> {
    let whole = render(event_type, changed_at, to_json(payload)?)?;
    if whole.len() <= MAX_PAYLOAD_BYTES {
        return Ok(whole);
    }
    render(event_type, changed_at, to_json(&without_states(payload))?)
}

/// The body of a test.
pub(super) fn test_body(webhook_id: Uuid, now: DateTime<Utc>) -> Result<String> {
    render(TEST_EVENT, now, json!({ "webhookId": webhook_id }))
}

fn render(event_type: &str, timestamp: DateTime<Utc>, data: impl Serialize) -> Result<String> {
    let timestamp = timestamp.to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::to_string(&Body { r#type: event_type, timestamp, data }).map_err(Error::internal)
}

fn without_states(payload: &EventPayload) -> EventPayload {
    let mut reduced = payload.clone();
    match &mut reduced {
        EventPayload::Project(event) => event.resource = None,
        EventPayload::Task(event) => event.resource = None,
        EventPayload::Document(event) => event.resource = None,
        EventPayload::Comment(event) => event.resource = None,
    }
    reduced
}

/// The message as the JSON mapping of proto3 has it.
fn to_json(payload: &EventPayload) -> Result<DynamicMessage> {
    let (name, bytes) = match payload {
        EventPayload::Project(event) => ("dafnck.project.v1.ProjectEvent", event.encode_to_vec()),
        EventPayload::Task(event) => ("dafnck.task.v1.TaskEvent", event.encode_to_vec()),
        EventPayload::Document(event) => ("dafnck.content.v1.DocumentEvent", event.encode_to_vec()),
        EventPayload::Comment(event) => ("dafnck.content.v1.CommentEvent", event.encode_to_vec()),
    };
    let descriptor = proto::descriptor_pool().get_message_by_name(name);
    let descriptor = descriptor.ok_or_else(|| Error::internal(format!("there is no message {name}")))?;
    DynamicMessage::decode(descriptor, bytes.as_slice()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use proto::task::v1::{Task, TaskChange, TaskEvent, task_event::Resource};

    use super::*;

    fn event(title: &str) -> EventPayload {
        let change = Change {
            kind: ChangeKind::Created.into(),
            resource_type: ResourceType::TaskDependency.into(),
            sequence: 7,
            ..Default::default()
        };
        let after = Some(Task { title: title.to_owned(), ..Default::default() });
        let resource = Some(Resource::Task(TaskChange { before: None, after }));
        EventPayload::Task(TaskEvent { change: Some(change), resource })
    }

    #[test]
    fn a_body_has_type_time_and_the_event_in_proto_json() {
        let payload = event("buy milk");
        let EventPayload::Task(TaskEvent { change: Some(change), .. }) = &payload else { unreachable!() };
        let event_type = event_type(change).unwrap();
        let body = body(&event_type, DateTime::UNIX_EPOCH, &payload).unwrap();
        let expected = "{\"type\":\"task_dependency.created\",\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"data\":{\
             \"change\":{\"kind\":\"CHANGE_KIND_CREATED\",\"resourceType\":\"RESOURCE_TYPE_TASK_DEPENDENCY\",\
             \"sequence\":\"7\"},\"task\":{\"after\":{\"title\":\"buy milk\"}}}}";
        assert_eq!(body, expected);
    }

    #[test]
    fn a_large_event_has_its_envelope_alone() {
        let body =
            body("task.created", DateTime::UNIX_EPOCH, &event(&"x".repeat(MAX_PAYLOAD_BYTES))).unwrap();
        assert!(body.contains("\"sequence\":\"7\"") && !body.contains("title"), "{}", body.len());
    }

    #[test]
    fn an_unknown_resource_has_no_type() {
        assert_eq!(event_type(&Change { kind: 1, resource_type: 999, ..Default::default() }), None);
    }
}
